from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import requests
from django.db import models
from django.db.models import Q
from django.utils import timezone

from djtranscribe.vendors.errors import VendorError

# During a pause, we send one request (a probe) in each interval of this length. The
# probe tests whether the vendor accepts requests again.
PROBE_INTERVAL = timedelta(seconds=30)

# Values of `VendorPause.refused`:
# - SUBMIT: AssemblyAI refuses new jobs.
# - JOB: AssemblyAI accepts jobs and refuses them later. So only a completed job ends
#   the pause.
SUBMIT, JOB = "submit", "job"
# Requests that only read. We send them even in a SUBMIT or JOB pause: reading is free.
READ = "read"
# Value of `refused` if we sent too many requests, and the vendor said how long to wait.
# We wait at most MAX_BUSY_TIME.
BUSY = "busy"
MAX_BUSY_TIME = timedelta(minutes=20)

# A process remembers for this long that a vendor is not paused. Otherwise a worker
# would make four queries for each call.
SECONDS_WITHOUT_PAUSE = 1
no_pause_until: dict[str, float] = {}  # {vendor: value of time.monotonic()}


class VendorPauseQuerySet(models.QuerySet["VendorPause"]):
    @contextmanager
    def guard_request(
        self, vendor: str, what: str = ""
    ) -> Iterator[VendorPause | None]:
        """Context manager for a request to a vendor. Begins and ends pauses.

        what: the kind of request, such as SUBMIT or READ. "": any other request.
        Yields the vendor's pause, or None.

        During a pause, raises VendorError(account=True), except for:
        - a request that `may_send` allows, such as a probe
        - a READ in a SUBMIT or JOB pause

        A VendorError with account=True in the `with` block begins a pause. A success
        ends a BUSY pause, a pause of all requests, and a pause of `what`.
        """
        pause = self.find_by_vendor(vendor)
        is_free = bool(pause and pause.refused in (SUBMIT, JOB) and what == READ)
        if pause and not is_free and not pause.may_send():
            raise VendorError(
                pause.reason,
                permanent=True,
                account=True,
                retry_after=pause.seconds_left() if pause.refused == BUSY else None,
            )
        try:
            yield pause
        except VendorError as error:
            if error.account:
                self.start(error, what)
            raise
        if pause and not is_free:
            # If another request has extended the BUSY pause meanwhile, `probe_at` in
            # the database has changed, and the pause is not over.
            is_over = Q(refused=BUSY, probe_at=pause.probe_at)
            proven = self.filter(Q(refused__in={"", what}) | is_over, pk=pause.pk)
            if not proven.delete()[0] and not what:
                pause.allow_next_probe()

    def find_by_vendor(self, vendor: str) -> VendorPause | None:
        """Return the pause of this vendor, or None.

        None is remembered for SECONDS_WITHOUT_PAUSE. During this time, this process
        does not notice a pause that begins in another process.
        """
        if time.monotonic() < no_pause_until.get(vendor, 0):
            return None
        pause = self.filter(vendor=vendor).first()
        if pause is None:
            no_pause_until[vendor] = time.monotonic() + SECONDS_WITHOUT_PAUSE
        return pause

    def exclude_busy(self) -> VendorPauseQuerySet:
        """Leave out BUSY pauses. A person has to fix the cause of all other pauses."""
        return self.exclude(refused=BUSY)

    def start(self, error: VendorError, what: str = "") -> None:
        """Pause a vendor that refuses our account or our settings, or is busy.

        If `error.retry_after` is set, the vendor is busy: start or extend a BUSY pause.
        But if the vendor has a pause of another kind, do not change that pause.
        what: the kind of request that was refused.
        """
        if error.retry_after:
            now = timezone.now()
            wait = min(timedelta(seconds=error.retry_after), MAX_BUSY_TIME)
            until = {"reason": error.message, "probe_at": now + wait}
            # Two requests may be refused at once, with different waits: use the longer.
            is_longer = Q(probe_at__range=(now + wait, now + MAX_BUSY_TIME))
            busy = self.filter(vendor=error.vendor, refused=BUSY)
            if not busy.exclude(is_longer).update(**until):
                self.get_or_create(
                    vendor=error.vendor, defaults={"refused": BUSY, **until}
                )
            return
        # Our key is wrong (401), or even READ is refused: pause all kinds of requests.
        is_general = error.code == requests.codes.unauthorized or what == READ
        defaults = {
            "reason": error.message,
            "refused": "" if is_general else what,
            "probe_at": timezone.now() + PROBE_INTERVAL,
        }
        self.update_or_create(vendor=error.vendor, defaults=defaults)


class VendorPause(models.Model):
    """A vendor refuses our account (key, balance) or our settings, or is busy.

    Work for this vendor waits and does not fail. The pause ends after one of these:
    - a request that succeeds (`guard_request`)
    - a completed job (`end_with_result`)
    - "Retry now" in admin
    """

    vendor = models.CharField(max_length=20, unique=True)
    reason = models.TextField()
    # The kind of request that the vendor refuses, such as SUBMIT, or "" for all kinds.
    # Special values: JOB and BUSY (see above).
    refused = models.CharField(max_length=20, blank=True, default="")
    since = models.DateTimeField(auto_now_add=True)
    probe_at = models.DateTimeField("next try")

    objects = VendorPauseQuerySet.as_manager()

    class Meta:
        verbose_name = "pause"
        ordering = ["vendor"]

    def __str__(self) -> str:
        return f"{self.vendor} is paused"

    def save(self, **kwargs: Any) -> None:
        super().save(**kwargs)
        no_pause_until.pop(self.vendor, None)

    def may_send(self) -> bool:
        """Return whether a request may be sent during this pause.

        - BUSY pause: requests wait until `probe_at`, the time from the vendor.
        - All other pauses: one request (a probe) is sent every PROBE_INTERVAL.
        If `probe_at` is too far in the future, the clock was set back: do not wait.
        """
        if self.refused == BUSY:
            return not 0 < self.seconds_left() <= MAX_BUSY_TIME.total_seconds()
        now = timezone.now()
        is_due = self.probe_at <= now or self.probe_at > now + PROBE_INTERVAL
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        next_at = now + PROBE_INTERVAL
        if not (is_due and mine.update(probe_at=next_at)):
            return False
        self.probe_at = next_at
        return True

    def seconds_left(self) -> float:
        return (self.probe_at - timezone.now()).total_seconds()

    def end_with_result(self, submitted_at: datetime | None) -> None:
        """End a JOB pause, because a job was completed.

        submitted_at: when the job was submitted. A job from before the pause does not
        end the pause.
        """
        if self.refused == JOB and submitted_at and submitted_at >= self.since:
            VendorPause.objects.filter(pk=self.pk, refused=JOB).delete()

    def allow_next_probe(self) -> None:
        """Allow another probe now.

        Call this after a probe that proves nothing. For example, AssemblyAI refuses new
        jobs, and the probe was an upload: its success does not show whether AssemblyAI
        accepts new jobs again.
        """
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        mine.update(probe_at=timezone.now())
