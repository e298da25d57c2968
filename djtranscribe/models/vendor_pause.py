from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import requests
from django.db import models
from django.utils import timezone

from djtranscribe.errors import VendorError

# While a vendor is paused, one piece of work is let through this often, to see.
PROBE_AFTER = timedelta(seconds=30)


class VendorPauseQuerySet(models.QuerySet["VendorPause"]):
    @contextmanager
    def asking(self, vendor: str, what: str = "") -> Iterator[None]:
        """Around each request of a worker: none while the vendor is paused.

        Raises a VendorError with `account` then. One that the vendor itself raises
        begins a pause; a request that succeeds ends it.

        what: a word for requests that may be refused while others are granted, as
        what costs money is without any. A pause that began with one ends with one.
        """
        pause = self.filter(vendor=vendor).first()
        if pause and not pause.lets_through():
            raise VendorError(pause.reason, permanent=True, account=True)
        try:
            yield
        except VendorError as error:
            if error.account:
                self.begin(error, what)
            raise
        if pause:
            proven = self.filter(pk=pause.pk, refused__in={"", what})
            if not proven.delete()[0]:
                pause.let_next_through()

    def begin(self, error: VendorError, what: str = "") -> None:
        """Our account is at fault: nothing of this vendor's can go on until mended."""
        defaults = {
            "reason": error.message,
            # A key is refused whatever is asked with it.
            "refused": "" if error.code == requests.codes.unauthorized else what,
            "probe_at": timezone.now() + PROBE_AFTER,
        }
        self.update_or_create(vendor=error.vendor, defaults=defaults)


class VendorPause(models.Model):
    """A vendor refuses our account (key, balance): work with it waits, none fails.

    It ends when a probe succeeds.
    """

    vendor = models.CharField(max_length=20, unique=True)
    reason = models.TextField()
    # See `asking`; empty for what any request proves mended.
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
        """Whether the caller is the one that may try; of many, exactly one."""
        now = timezone.now()
        # A time further away than any probe is a leftover of a clock put back.
        is_due = self.probe_at <= now or self.probe_at > now + PROBE_AFTER
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        next_at = now + PROBE_AFTER
        if not (is_due and mine.update(probe_at=next_at)):
            return False
        self.probe_at = next_at
        return True

    def let_next_through(self) -> None:
        """Ours proved nothing: the one that would need not wait for the next probe."""
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        mine.update(probe_at=timezone.now())
