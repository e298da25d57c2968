from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from random import uniform
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from djtranscribe.vendors.errors import VendorError
from transcription.leases import NOT_KILLED, free, taken

if TYPE_CHECKING:
    from transcription.models.transcript import Transcript

# After each failed attempt; about a day until a notification is given up.
MINUTE, HOUR = 60, 3600
WAITS_SECONDS = (
    *(5, MINUTE, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 8 * HOUR, 8 * HOUR),
)
MAX_ATTEMPTS = len(WAITS_SECONDS) + 1
# However long a receiver asks us to stay away. With the jitter, no wait is longer.
LONGEST_WAIT = timedelta(days=1)
# Longer than any attempt: an e-mail may take 60 s, a webhook 15 s.
LEASE = timedelta(minutes=3)
# No word is sent, so none is read.
HEAVY = [
    *(f"transcript__{name}" for name in ("text", "words", "request", "response")),
    "transcript__recording__peaks",
]
# Of an error, what is in it for a stranger's eyes: an address may open the audio, and
# a row of digits may be a phone number. Few letters of a scheme, since a word without
# end would be read from each of its letters on.
PRIVATE = re.compile(r"\w{1,20}://\S+|\+?\d[\d ().-]{5,}\d|\0")


class NotificationQuerySet(models.QuerySet["Notification"]):
    def write_down(self, transcript: Transcript, finished_at: datetime) -> None:
        """Who is to hear of this ending; in the transaction that stores it."""
        rows = [
            Notification(
                transcript=transcript,
                about=transcript.uuid,
                kind=kind,
                event=Notification.event_of(transcript),
                finished_at=finished_at,
                facts=facts(transcript),
            )
            for kind in Notification.wanted()
            if kind != Notification.Kind.EMAIL or is_awaited(transcript)
        ]
        self.bulk_create(rows, ignore_conflicts=True)

    def due(self, now: datetime) -> NotificationQuerySet:
        """Rows whose time has come and which nobody is sending."""
        # A time further away than any wait is a leftover of a clock put back.
        its_time = Q(next_attempt_at__lte=now) | Q(
            next_attempt_at__gt=now + LONGEST_WAIT
        )
        pending = self.filter(state=Notification.State.PENDING)
        return pending.filter(its_time).filter(free(now, LEASE))

    def claim(self, kind: str) -> Notification | None:
        """Take the one of this kind that has been due longest, for LEASE.

        The attempt is counted here: one that kills its worker counts, too.
        """
        now = timezone.now()
        columns = taken(now + LEASE)
        due = self.due(now)
        # Of several workers that see the same rows, each gets another.
        seen = due.filter(kind=kind).order_by("next_attempt_at").values_list("pk")[:10]
        for (pk,) in seen:
            with transaction.atomic():
                if due.filter(pk=pk).update(attempts=F("attempts") + 1, **columns):
                    rows = self.select_related("transcript__recording__call")
                    return rows.defer(*HEAVY).get(pk=pk)
        return None

    def given_up(self) -> NotificationQuerySet:
        return self.filter(state=Notification.State.GIVEN_UP)

    def prune(self, older_than: timedelta) -> int:
        over = self.exclude(state=Notification.State.PENDING)
        old = over.filter(created_at__lt=timezone.now() - older_than)
        return old.delete()[0]


class Notification(models.Model):
    """Somebody is to hear that a transcript is finished, and whether they have.

    Written with the ending itself, sent by transcription/notifications.py, kept as
    the log of what was sent. It outlives its transcript.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        EMAIL = "email", "E-mail"

    class Event(models.TextChoices):
        COMPLETED = "transcript.completed", "Completed"
        FAILED = "transcript.failed", "Failed"

    class State(models.TextChoices):
        PENDING = "pending", "Waiting to be sent"
        SENT = "sent", "Sent"
        GIVEN_UP = "given-up", "Given up"

    # The same at every attempt: a receiver drops doubles by it.
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
    # Of which ending it tells: one that failed and is tried again ends twice.
    finished_at = models.DateTimeField("transcript finished at")
    # What was true then; no words and no number.
    facts = models.JSONField()

    state = models.CharField(
        max_length=10, choices=State.choices, default=State.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now, null=True)
    # Of the last attempt: a status or a reason, never what a receiver wrote.
    answer = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    sent_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    # See transcription/models/lease.py.
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
        return f"{self.get_kind_display()}, {made:%d %b %Y %H:%M:%S}"

    @staticmethod
    def wanted() -> list[Notification.Kind]:
        """The kinds that are switched on."""
        kind = Notification.Kind
        on = {kind.WEBHOOK: settings.NOTIFY_URL, kind.EMAIL: settings.NOTIFY_EMAIL}
        return [each for each in kind if on[each]]

    @staticmethod
    def event_of(transcript: Transcript) -> Notification.Event:
        event = Notification.Event
        return event.FAILED if transcript.is_failed else event.COMPLETED

    # What an attempt came to is written only by who still holds the lease: False if
    # that is another by now.

    def sent(self, answer: str) -> bool:
        """Except for this: whoever holds the row now need not send it once more."""
        unsent = Notification.objects.filter(pk=self.pk, state=self.State.PENDING)
        return self._rest(
            unsent, state=self.State.SENT, answer=answer, sent_at=timezone.now()
        )

    def retry_later(self, error: VendorError) -> bool:
        """Try again later, or give up after about a day.

        Attempts that killed their worker have a limit of their own.
        """
        failures = max(self.attempts - max(self.kills - 1, 0), 1)
        if failures >= MAX_ATTEMPTS:
            reason = f"Given up after {failures} attempts. {error.message}"
            return self.give_up(reason)
        seconds = WAITS_SECONDS[failures - 1] * uniform(0.75, 1.25)  # noqa: S311
        seconds = max(seconds, error.retry_after or 0)
        wait = min(seconds, LONGEST_WAIT.total_seconds())
        return self._rest(
            self._mine(),
            next_attempt_at=timezone.now() + timedelta(seconds=wait),
            answer=error.message,
            kills=NOT_KILLED,
        )

    def give_up(self, reason: str) -> bool:
        return self._rest(self._mine(), state=self.State.GIVEN_UP, answer=reason)

    def send_again(self) -> bool:
        """An operator asks for it, whatever became of it; not while it is being sent.

        Under the same UUID, so that a receiver that has it already drops it.
        """
        now = timezone.now()
        resting = Notification.objects.filter(free(now, LEASE), pk=self.pk)
        return self._rest(
            resting,
            state=self.State.PENDING,
            attempts=0,
            next_attempt_at=now,
            answer="",
        )

    def _mine(self) -> NotificationQuerySet:
        return Notification.objects.filter(pk=self.pk, lease=self.lease)

    def _rest(self, rows: NotificationQuerySet, **columns: Any) -> bool:
        columns = {"next_attempt_at": None, "kills": 0, **columns}
        return bool(rows.update(lease=None, leased_until=None, **columns))


def is_awaited(transcript: Transcript) -> bool:
    """Whether an operator waits for these words, and has an address.

    Nobody does for old recordings, which `reconcile --all` takes in at low priority.
    """
    call = transcript.recording.call
    who = call.requested_by if call and transcript.priority >= 0 else None
    return bool(who and who.is_active and who.email)


def facts(transcript: Transcript) -> dict[str, Any]:
    """What a receiver is told. Words and number are not: they need a login."""
    call = transcript.recording.call
    return {
        "transcript": str(transcript.uuid),
        "call": str(call.uuid) if call else None,
        "status": transcript.status,
        "nobody_spoke": transcript.nobody_spoke,
        "confidence": finite(transcript.confidence),
        "language": transcript.language,
        "audio_seconds": finite(transcript.audio_seconds),
        "error": discreet(transcript.error),
    }


def finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def discreet(reason: str) -> str:
    return PRIVATE.sub("…", reason)[:500]
