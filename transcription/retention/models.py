from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.formats import date_format

from transcription.leases import LeaseLost, unleased

# A worker extends its lease of a deletion after each row. If the lease was not extended
# for this long, the worker has probably died.
LEASE = timedelta(minutes=5)
# The keys of Deletion.counts, in the order in which they are shown.
COUNT_KEYS = (
    *("calls at Twilio", "recordings at Twilio", "texts at AssemblyAI"),
    *("calls", "audio files", "texts", "notes", "webhook deliveries"),
    *("contacts", "numbers of contacts", "entries on the do-not-call list"),
)
# A key of Deletion.position. The value is a list of days. On these days, AssemblyAI may
# have created jobs that we cannot delete, because we did not get their IDs.
LOST_JOBS = "lost jobs"
# The columns that `store_or_raise` always saves.
PROGRESS = ("counts", "problem", "position")


def label(what: str) -> str:
    """Return the label of a key of COUNT_KEYS, such as `transcripts` for `texts`."""
    return what.replace("texts", "transcripts")


class DeletionQuerySet(models.QuerySet["Deletion"]):
    def unfinished(self) -> DeletionQuerySet:
        return self.filter(finished_at=None)

    def claim(self, pk: int) -> Deletion | None:
        """Lease a deletion. Return None if it is finished or another worker has it."""
        now = timezone.now()
        until = now + LEASE
        waiting = self.unfinished().filter(unleased(now, LEASE), pk=pk)
        if not waiting.update(leased_until=until):
            return None
        return self.filter(pk=pk, leased_until=until).first()


class Deletion(models.Model):
    """A permanent deletion of our data and of data at vendors: what, when and why.

    The row also has the progress, so that another worker can continue. A finished
    deletion does not identify the erased person.
    """

    class Reason(models.TextChoices):
        RETENTION = "retention", "Retention period ended"
        PERSON = "person", "Erasure of a person"

    reason = models.CharField(max_length=10, choices=Reason.choices)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    begun_at = models.DateTimeField("started", auto_now_add=True, db_index=True)
    finished_at = models.DateTimeField("finished", null=True)
    # What was deleted so far, for example {"recordings at Twilio": 3, "texts": 2}.
    counts = models.JSONField("deleted", default=dict)
    # The newest reason why something could not be deleted.
    problem = models.TextField(blank=True)
    # Only for PERSON: the phone numbers (E.164), until the deletion is finished.
    numbers = models.JSONField(default=list, editable=False)
    # Only for PERSON: whether the numbers must be on the do-not-call list afterwards.
    keeps_do_not_call = models.BooleanField(
        "stays on the do-not-call list", default=False
    )
    # What expiry.delete_slice or person.erase_slice needs to continue, for example the
    # rows to skip.
    position = models.JSONField(default=dict, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    objects = DeletionQuerySet.as_manager()

    class Meta:
        ordering = ["-begun_at"]
        permissions = [("erase_person", "Can export and erase a person")]

    def __str__(self) -> str:
        day = date_format(timezone.localdate(self.begun_at))
        return f"{self.get_reason_display()}, {day}"

    @property
    def report(self) -> str:
        """The counts as a text, for example `calls at Twilio: 3, transcripts: 1`."""
        return ", ".join(f"{what}: {number:,}" for what, number in self.labelled_counts)

    @property
    def labelled_counts(self) -> list[tuple[str, int]]:
        """(label, number) of each kind of deleted things, in the order of COUNT_KEYS.

        PostgreSQL does not keep the order of the keys in `counts`.
        """
        return [
            (label(what), self.counts[what])
            for what in COUNT_KEYS
            if self.counts.get(what)
        ]

    def add(self, numbers: Mapping[str, int]) -> None:
        for what, number in numbers.items():
            self.counts[what] = self.counts.get(what, 0) + number

    def keep_lease(self) -> None:
        """Store the progress and extend the lease. Raises LeaseLost."""
        self.store_or_raise(leased_until=timezone.now() + LEASE)

    def release(self, **columns: Any) -> None:
        """Store the progress and end the lease, so that another worker can continue.

        Raises LeaseLost.
        """
        self.store_or_raise(leased_until=None, **columns)

    def finish(self) -> None:
        """Store that the deletion is finished, and remove the phone numbers.

        Raises LeaseLost.
        """
        if days := self.position.get(LOST_JOBS):
            self.problem = (
                f"{self.problem} AssemblyAI may still have jobs whose IDs we do not "
                f"know. They were requested on {', '.join(dict.fromkeys(days))}. "
                "Ask AssemblyAI's support to delete them."
            ).strip()
        self.release(finished_at=timezone.now(), numbers=[], position={})

    def store_or_raise(self, **columns: Any) -> None:
        """Store the progress and these columns.

        If another worker has leased the deletion meanwhile, raises LeaseLost and stores
        nothing.
        """
        progress = {name: getattr(self, name) for name in PROGRESS}
        ours = Deletion.objects.filter(pk=self.pk, leased_until=self.leased_until)
        if not ours.update(**{**progress, **columns}):
            raise LeaseLost
        for name, value in columns.items():
            setattr(self, name, value)
