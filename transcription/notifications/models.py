from __future__ import annotations

from datetime import datetime, timedelta
from random import uniform
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format

from djtranscribe.vendors.errors import VendorError
from transcription.leases import kills_without_own, lease_columns, unleased
from transcription.notifications.content import notification_facts

if TYPE_CHECKING:
    from transcription.models.transcript import Transcript

# The waits after the first failed attempt, the second and so on: about a day in all.
# If the attempt after the last wait fails, too, we give up.
MINUTE, HOUR = 60, 3600
WAITS_SECONDS = (
    *(5, MINUTE, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 8 * HOUR, 8 * HOUR),
)
MAX_ATTEMPTS = len(WAITS_SECONDS) + 1
# We wait at most this long before an attempt, even if a receiver asks for more.
MAX_WAIT = timedelta(days=1)
# A lease must be longer than any attempt: an e-mail can take 60 s, a webhook 15 s.
LEASE = timedelta(minutes=3)
# A webhook about a correction waits this long. During the wait, further corrections of
# the same transcript need no new webhook.
CORRECTIONS_PAUSE = timedelta(minutes=1)


class NotificationQuerySet(models.QuerySet["Notification"]):
    def create_for_result(self, transcript: Transcript, finished_at: datetime) -> None:
        """Create the notifications of a transcript that completed or failed.

        Call this in the transaction that stores the final status of the transcript.
        """
        rows = [
            Notification(
                transcript=transcript,
                about=transcript.uuid,
                kind=kind,
                event=Notification.event_of(transcript),
                finished_at=finished_at,
                facts=notification_facts(transcript),
            )
            for kind in Notification.enabled_kinds()
            if kind != Notification.Kind.EMAIL or is_awaited(transcript)
        ]
        self.bulk_create(rows, ignore_conflicts=True)

    def create_for_review(
        self, transcript: Transcript, event: Notification.Event
    ) -> None:
        """Create a webhook about a correction or a verification by a person.

        While a webhook about a correction waits for its first attempt, further
        corrections of the transcript do not create another webhook.
        """
        if Notification.Kind.WEBHOOK not in Notification.enabled_kinds():
            return
        now = due_at = timezone.now()
        if event == Notification.Event.CORRECTED:
            due_at += CORRECTIONS_PAUSE
            state = Notification.State.PENDING
            waiting = self.filter(transcript=transcript, event=event, state=state)
            if waiting.filter(attempts=0).exists():
                return
        self.create(
            transcript=transcript,
            about=transcript.uuid,
            kind=Notification.Kind.WEBHOOK,
            event=event,
            finished_at=now,
            facts=notification_facts(transcript),
            next_attempt_at=due_at,
        )

    def due(self, now: datetime) -> NotificationQuerySet:
        """Return the rows that are due and that no worker is sending now."""
        # No wait is longer than MAX_WAIT. If a row is due later than that, the clock
        # was set back: treat the row as due now.
        is_due = Q(next_attempt_at__lte=now) | Q(next_attempt_at__gt=now + MAX_WAIT)
        pending = self.filter(state=Notification.State.PENDING)
        return pending.filter(is_due).filter(unleased(now, LEASE))

    def claim(self, kind: str) -> Notification | None:
        """Lease the row of this kind that has been due longest, or return None.

        Adds 1 to `attempts` and 1 to `kills` in advance, in case this worker is killed.
        """
        # Import it here, because the module of Transcript imports this module.
        from transcription.models.transcript import Transcript

        large = ("text", "words", *Transcript.LARGE_COLUMNS)
        unneeded = [f"transcript__{name}" for name in large]
        now = timezone.now()
        columns = lease_columns(uuid4(), now + LEASE)
        due = self.due(now)
        # Try several rows, because other workers may claim the same ones first.
        oldest = due.filter(kind=kind).order_by("next_attempt_at")
        for (pk,) in oldest.values_list("pk")[:10]:
            with transaction.atomic():
                if due.filter(pk=pk).update(attempts=F("attempts") + 1, **columns):
                    rows = self.select_related("transcript__recording__call")
                    return rows.defer(*unneeded).get(pk=pk)
        return None

    def given_up(self) -> NotificationQuerySet:
        return self.filter(state=Notification.State.GIVEN_UP)

    def prune(self, older_than: timedelta) -> int:
        """Delete old rows that are not pending. Return how many were deleted."""
        closed = self.exclude(state=Notification.State.PENDING)
        old = closed.filter(created_at__lt=timezone.now() - older_than)
        return old.delete()[0]


class Notification(models.Model):
    """A message that a transcript is finished or was reviewed, and its delivery.

    The row is created in the transaction that changes the transcript. delivery.py sends
    the message. The row stays for a while as a log, even if retention deletes the
    transcript. Only the erasure of a person deletes the row.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        EMAIL = "email", "E-mail"

    class Event(models.TextChoices):
        COMPLETED = "transcript.completed", "Completed"
        FAILED = "transcript.failed", "Failed"
        CORRECTED = "transcript.corrected", "Corrected"
        VERIFIED = "transcript.verified", "Verified"

    class State(models.TextChoices):
        PENDING = "pending", "Waiting to be sent"
        SENT = "sent", "Sent"
        GIVEN_UP = "given-up", "Given up"

    # Every attempt sends the same UUID, so that receivers can drop duplicates.
    uuid = models.UUIDField("webhook-id", default=uuid4, unique=True, editable=False)
    transcript = models.ForeignKey(
        "transcription.Transcript",
        null=True,
        on_delete=models.SET_NULL,
        related_name="notifications",
    )
    about = models.UUIDField("transcript's UUID", db_index=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    event = models.CharField(max_length=30, choices=Event.choices)
    # When the transcript finished, or when a person corrected or verified it. Part of
    # the unique key: a transcript that fails and is retried finishes more than once.
    finished_at = models.DateTimeField("event time")
    # What the message says: facts about the transcript when this row was created.
    facts = models.JSONField()

    state = models.CharField(
        max_length=10, choices=State.choices, default=State.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now, null=True)
    # The status or error of the last attempt, never the body of the response.
    answer = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    sent_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    # How many workers were killed while sending. A worker adds 1 in advance, in case it
    # is killed: see transcription/leases.py.
    kills = models.PositiveSmallIntegerField(
        "workers killed while sending", default=0, editable=False
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["kind", "next_attempt_at"],
                condition=Q(state="pending"),
                name="notification_pending",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["transcript", "kind", "finished_at"],
                name="one_notification_per_ending",
            )
        ]

    def __str__(self) -> str:
        made = timezone.localtime(self.created_at)
        return f"{self.get_kind_display()}, {date_format(made, 'DATETIME_FORMAT')}"

    @staticmethod
    def enabled_kinds() -> list[Notification.Kind]:
        kind = Notification.Kind
        on = {kind.WEBHOOK: settings.NOTIFY_URL, kind.EMAIL: settings.NOTIFY_EMAIL}
        return [each for each in kind if on[each]]

    @staticmethod
    def event_of(transcript: Transcript) -> Notification.Event:
        event = Notification.Event
        return event.FAILED if transcript.is_failed else event.COMPLETED

    def mark_sent(self, answer: str) -> bool:
        """Store a success, even if this worker has lost the lease.

        So no other worker sends the message again.
        """
        unsent = Notification.objects.filter(pk=self.pk, state=self.State.PENDING)
        return self._release(
            unsent, state=self.State.SENT, answer=answer, sent_at=timezone.now()
        )

    # Without the lease, `retry_later` and `give_up` store nothing and return False.

    def retry_later(self, error: VendorError) -> bool:
        """Schedule a retry, or give up after MAX_ATTEMPTS failures (about a day)."""
        # Do not count attempts that killed a worker: leases.MAX_KILLS limits them. A
        # worker adds 1 to `kills` in advance, in case it is killed. This worker was not
        # killed, so leave out its 1.
        failures = max(self.attempts - max(self.kills - 1, 0), 1)
        if failures >= MAX_ATTEMPTS:
            reason = f"Given up after {failures} attempts. {error.message}"
            return self.give_up(reason)
        seconds = WAITS_SECONDS[failures - 1] * uniform(0.75, 1.25)  # noqa: S311
        seconds = max(seconds, error.retry_after or 0)
        wait = min(seconds, MAX_WAIT.total_seconds())
        return self._release(
            self._mine(),
            next_attempt_at=timezone.now() + timedelta(seconds=wait),
            answer=error.message,
            kills=kills_without_own(self),
        )

    def give_up(self, reason: str) -> bool:
        return self._release(self._mine(), state=self.State.GIVEN_UP, answer=reason)

    def send_again(self) -> bool:
        """Queue the message again, even if it was sent. Its UUID stays the same.

        Return False if a worker is sending the message now, or if the row was deleted.
        """
        now = timezone.now()
        idle = Notification.objects.filter(unleased(now, LEASE), pk=self.pk)
        return self._release(
            idle,
            state=self.State.PENDING,
            attempts=0,
            next_attempt_at=now,
            answer="",
        )

    def _mine(self) -> NotificationQuerySet:
        return Notification.objects.filter(pk=self.pk, lease=self.lease)

    def _release(self, rows: NotificationQuerySet, **columns: Any) -> bool:
        """Save the columns and end the lease. Return whether a row was changed."""
        columns = {"next_attempt_at": None, "kills": 0, **columns}
        return bool(rows.update(lease=None, leased_until=None, **columns))


def is_awaited(transcript: Transcript) -> bool:
    """Return whether an operator with an e-mail address waits for this transcript.

    Nobody waits:
    - for an old recording (`reconcile --all` imports these with a negative priority)
    - if the recording already has another completed transcript
    """
    call = transcript.recording.call
    operator = call.requested_by if call and transcript.priority >= 0 else None
    if not (operator and operator.is_active and operator.email):
        return False
    return not transcript.siblings().filter(status=transcript.Status.COMPLETED).exists()
