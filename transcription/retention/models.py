from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

# A slice of the work takes seconds. After this time its worker is gone.
LEASE = timedelta(minutes=5)
# What is counted, in the order in which it is deleted and told.
COUNTED = (
    *("calls at Twilio", "recordings at Twilio", "texts at AssemblyAI"),
    *("calls", "audio files", "texts", "notes", "webhook deliveries"),
    *("contacts", "numbers of contacts", "entries on the do-not-call list"),
)


class DeletionQuerySet(models.QuerySet["Deletion"]):
    def unfinished(self) -> DeletionQuerySet:
        return self.filter(finished_at=None)

    def claim(self, pk: int) -> Deletion | None:
        """Lease an unfinished one, or return None if another worker has it."""
        now = timezone.now()
        free = Q(leased_until=None) | Q(leased_until__lt=now)
        # A lease with an impossibly late end is from before a clock was put back.
        free |= Q(leased_until__gt=now + 2 * LEASE)
        if not self.unfinished().filter(free, pk=pk).update(leased_until=now + LEASE):
            return None
        return self.get(pk=pk)


class Deletion(models.Model):
    """What was deleted for good at Twilio, at AssemblyAI and here, when and why.

    It is also the state of the work, so that another worker can go on with it. When
    it is finished, it names nobody.
    """

    class Reason(models.TextChoices):
        RETENTION = "retention", "Old data"
        PERSON = "person", "Data of a person"

    reason = models.CharField(max_length=10, choices=Reason.choices)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    begun_at = models.DateTimeField("begun", auto_now_add=True, db_index=True)
    finished_at = models.DateTimeField("finished", null=True)
    # How many of each kind: {"recordings at Twilio": 3, "texts": 2}.
    counts = models.JSONField("deleted", default=dict)
    # Why something was not deleted, in the last round.
    problem = models.TextField(blank=True)
    # Of a person: the numbers (E.164), until it is finished.
    numbers = models.JSONField(default=list, editable=False)
    # Of a person: keep the numbers on the do-not-call list.
    keeps_do_not_call = models.BooleanField(
        "stays on the do-not-call list", default=False
    )
    # Which rows could not be deleted in this round, and what is done.
    position = models.JSONField(default=dict, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    objects = DeletionQuerySet.as_manager()

    class Meta:
        ordering = ["-begun_at"]
        permissions = [("erase_person", "Can export and erase a person")]

    def __str__(self) -> str:
        return (
            f"{self.get_reason_display()}, {timezone.localtime(self.begun_at):%d %b %Y}"
        )

    @property
    def report(self) -> str:
        """Return `3 recordings at Twilio, 2 texts`."""
        return ", ".join(f"{number:,} {what}" for what, number in self.counted)

    @property
    def counted(self) -> list[tuple[str, int]]:
        """What was deleted, and how many. PostgreSQL orders keys by their length."""
        return [(what, self.counts[what]) for what in COUNTED if self.counts.get(what)]

    def add(self, numbers: Mapping[str, int]) -> None:
        for what, number in numbers.items():
            self.counts[what] = self.counts.get(what, 0) + number

    def release(self, **columns: Any) -> None:
        """Store the progress. Another worker may go on."""
        for name, value in columns.items():
            setattr(self, name, value)
        self.leased_until = None
        self.save()

    def finish(self) -> None:
        self.release(finished_at=timezone.now(), numbers=[], position={})
