from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import requests
from django.db import models
from django.utils import timezone

from djtranscribe.database import hand_back_connection
from djtranscribe.vendors.errors import VendorError

# While a vendor is paused, one request is let through this often, as a probe.
PROBE_AFTER = timedelta(seconds=30)

# Kinds of requests, see `VendorPause.refused`. A pause for jobs ends only with the
# result of a job: AssemblyAI may accept a job and refuse it later.
SUBMIT, JOB = "submit", "job"
# Reading costs nothing and goes on while only SUBMIT or JOB is refused.
READ = "read"
# Not refused: the vendor has too many requests of ours and said when to send the next.
BUSY = "busy"
LONGEST_BUSY = timedelta(minutes=20)


class VendorPauseQuerySet(models.QuerySet["VendorPause"]):
    @contextmanager
    def asking(self, vendor: str, what: str = "") -> Iterator[VendorPause | None]:
        """Guard a vendor request: raise while the vendor is paused, record new pauses.

        Yields the pause, if there is one. Raises a VendorError with `account` while
        the vendor is paused. Such an error of the vendor itself begins a pause; a
        request that succeeds ends it. All workers see the same pauses, so a limit of
        the account holds for all of them together.

        what: "", SUBMIT or READ. A pause that began with a SUBMIT ends with one.
        """
        pause = self.filter(vendor=vendor).first()
        is_free = bool(pause and pause.refused in (SUBMIT, JOB) and what == READ)
        if pause and not is_free and not pause.lets_through():
            raise VendorError(
                pause.reason,
                permanent=True,
                account=True,
                retry_after=pause.seconds_left() if pause.refused == BUSY else None,
            )
        hand_back_connection()
        try:
            yield pause
        except VendorError as error:
            if error.account:
                self.begin(error, what)
            raise
        if pause and not is_free:
            proven = self.filter(pk=pause.pk, refused__in={"", BUSY, what})
            if not proven.delete()[0] and not what:
                pause.let_next_through()

    def refusing(self) -> VendorPauseQuerySet:
        """Pauses that a person has to end: not those of a vendor that is busy."""
        return self.exclude(refused=BUSY)

    def begin(self, error: VendorError, what: str = "") -> None:
        """Pause the vendor: our account or settings are at fault, or it is busy."""
        if error.retry_after:
            wait = min(timedelta(seconds=error.retry_after), LONGEST_BUSY)
            until = {"reason": error.message, "probe_at": timezone.now() + wait}
            if not self.filter(vendor=error.vendor, refused=BUSY).update(**until):
                self.get_or_create(
                    vendor=error.vendor, defaults={"refused": BUSY, **until}
                )
            return
        # A wrong key affects every kind of request.
        is_general = error.code == requests.codes.unauthorized or what == READ
        defaults = {
            "reason": error.message,
            "refused": "" if is_general else what,
            "probe_at": timezone.now() + PROBE_AFTER,
        }
        self.update_or_create(vendor=error.vendor, defaults=defaults)


class VendorPause(models.Model):
    """A vendor refuses our account (key, balance) or our settings, or is busy.

    Work for this vendor waits and does not fail. A successful probe ends the pause.
    """

    vendor = models.CharField(max_length=20, unique=True)
    reason = models.TextField()
    # SUBMIT or JOB if only those are refused; "" if any request may end the pause; or
    # BUSY.
    refused = models.CharField(max_length=20, blank=True, default="")
    since = models.DateTimeField(auto_now_add=True)
    probe_at = models.DateTimeField("next try")

    objects = VendorPauseQuerySet.as_manager()

    class Meta:
        verbose_name = "pause"
        ordering = ["vendor"]

    def __str__(self) -> str:
        return f"{self.vendor} is paused"

    def lets_through(self) -> bool:
        """Claim the right to send the next probe. Only one caller gets it.

        If the vendor was busy, everybody may send again after the time that it named.
        """
        if self.refused == BUSY:
            return not 0 < self.seconds_left() <= LONGEST_BUSY.total_seconds()
        now = timezone.now()
        # If the clock was set back, probe_at is too far in the future: ignore it.
        is_due = self.probe_at <= now or self.probe_at > now + PROBE_AFTER
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        next_at = now + PROBE_AFTER
        if not (is_due and mine.update(probe_at=next_at)):
            return False
        self.probe_at = next_at
        return True

    def seconds_left(self) -> float:
        return (self.probe_at - timezone.now()).total_seconds()

    def end_with_result(self, submitted_at: datetime | None) -> None:
        """End a pause for jobs: a job that started after the pause was completed."""
        if self.refused == JOB and submitted_at and submitted_at >= self.since:
            VendorPause.objects.filter(pk=self.pk, refused=JOB).delete()

    def let_next_through(self) -> None:
        """Allow the next probe now: this request did not prove that jobs work."""
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        mine.update(probe_at=timezone.now())
