from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from caller import audio, phone_numbers, twilio_client
from caller.signals import recording_completed
from caller.twilio_client import CallState, RecordingState, TwilioError

logger = logging.getLogger(__name__)

# Without a word from Twilio for this long, we ask (tasks.check_call).
CHECK_AFTER = timedelta(seconds=45)
CHECK_PRICE_AFTER = timedelta(minutes=2)
# After a call's end its recording takes a moment, its price some minutes.
EXPECT_MORE_FOR = timedelta(minutes=10)
# How long Twilio's clock and ours may differ, and how late a request may arrive.
CLOCK_SKEW = timedelta(minutes=2)


def soon() -> datetime:
    return timezone.now() + CHECK_AFTER


class CallQuerySet(models.QuerySet["Call"]):
    def unfinished(self) -> CallQuerySet:
        return self.exclude(status__in=Call.FINISHED)

    def claim_due(self, limit: int = 200) -> list[int]:
        """Calls that Twilio should be asked about now, each given to one asker only.

        One that nobody comes to ask about is due again after CHECK_AFTER.
        """
        due = self.filter(next_check_at__lte=timezone.now())
        return [
            pk
            for pk in due.order_by("next_check_at").values_list("pk", flat=True)[:limit]
            if due.filter(pk=pk).update(next_check_at=soon())
        ]


class Call(models.Model):
    """One call that an operator asked for. The row exists before Twilio hears of it."""

    class Status(models.TextChoices):
        # Ours: Twilio was asked and has not answered; its answer was lost.
        DIALING = "dialing", "Dialing"
        UNKNOWN = "unknown", "Unknown: Twilio's answer was lost"
        # Twilio's, letter for letter
        QUEUED = "queued", "Queued at Twilio"
        INITIATED = "initiated", "Dialing"
        RINGING = "ringing", "Ringing"
        IN_PROGRESS = "in-progress", "In progress"
        COMPLETED = "completed", "Completed"
        BUSY = "busy", "Busy"
        NO_ANSWER = "no-answer", "No answer"
        CANCELED = "canceled", "Canceled"
        FAILED = "failed", "Failed"

    FINISHED = (
        Status.COMPLETED,
        Status.BUSY,
        Status.NO_ANSWER,
        Status.CANCELED,
        Status.FAILED,
    )
    # State moves only forward along this line, whatever arrives late or twice. A word
    # that is not here was invented by Twilio after us: above ringing, never final.
    RANK: dict[str, int] = {
        Status.DIALING: 0,
        Status.UNKNOWN: 0,
        Status.QUEUED: 1,
        Status.INITIATED: 2,
        Status.RINGING: 3,
        Status.IN_PROGRESS: 5,
        **dict.fromkeys(FINISHED, 6),
    }
    RANK_OF_NEW_WORDS = 4

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    sid = models.CharField("SID", max_length=34, unique=True, null=True, blank=True)
    to = models.CharField("number called", max_length=16, db_index=True)
    from_number = models.CharField("number shown to them", max_length=16)
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.DIALING, db_index=True
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="calls",
    )
    # By name, since `caller` imports nothing of `transcription`.
    vocabulary = models.ForeignKey(
        "transcription.Vocabulary",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name="keyword list",
        help_text="Words that AssemblyAI should expect. Empty: the default list.",
    )
    created_at = models.DateTimeField("asked for", auto_now_add=True, db_index=True)
    answered_at = models.DateTimeField("answered", null=True, blank=True)
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    duration_seconds = models.PositiveIntegerField(
        "duration (seconds)", null=True, blank=True
    )
    price = models.DecimalField(max_digits=10, decimal_places=5, null=True, blank=True)
    price_unit = models.CharField(max_length=3, blank=True)
    error = models.TextField(blank=True)
    sequence_number = models.PositiveIntegerField(null=True, blank=True)
    next_check_at = models.DateTimeField(
        default=soon, null=True, blank=True, db_index=True
    )

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            # Two clicks in two processes cannot make one phone ring twice. The
            # words are spelled out: a constraint must not change with the code.
            models.UniqueConstraint(
                fields=["to"],
                condition=~Q(
                    status__in=["completed", "busy", "no-answer", "canceled", "failed"]
                ),
                name="one_unfinished_call_per_number",
                violation_error_message="This number is being called already.",
            )
        ]

    def __str__(self) -> str:
        return f"Call to {self.number}"

    @property
    def number(self) -> str:
        return phone_numbers.for_people(self.to)

    @property
    def country(self) -> str:
        return phone_numbers.country(self.to)

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    def get_absolute_url(self) -> str:
        return reverse("caller:call-page", args=[self.uuid])

    def dial(self) -> None:
        """Ask Twilio to place this call, and keep what is known of the outcome.

        Raises TwilioError, after storing it: with `maybe_done` the phone may be
        ringing, and a webhook or a look at Twilio's list of calls will tell.
        """
        try:
            placed = twilio_client.place_call(self.to, self.uuid)
        except TwilioError as error:
            self.status = Call.Status.FAILED
            if error.maybe_done:
                self.status = Call.Status.UNKNOWN
            # A webhook may have told us more while we waited for the answer.
            still_dialing = Call.objects.filter(
                pk=self.pk, status=Call.Status.DIALING, sid=None
            )
            still_dialing.update(
                status=self.status,
                error=error.message,
                next_check_at=soon() if error.maybe_done else None,
            )
            logger.warning(
                "call=%s dial=%s code=%s", self.uuid, self.status, error.code
            )
            raise
        Call.objects.get(pk=self.pk).apply(placed)
        logger.info("call=%s dial=placed", self.uuid)

    def apply(self, news: CallState, sequence_number: int | None = None) -> None:
        """Take over what Twilio says of this call, never going back in state."""
        with transaction.atomic():
            call = Call.objects.select_for_update().get(pk=self.pk)
            if call.sid and call.sid != news.sid:
                # Ours is the call that answered first; a second one is not this row.
                logger.error("call=%s other_sid=%s", call.uuid, news.sid)
                return
            call.sid = news.sid
            if self.rank(news.status) > self.rank(call.status):
                call.status = news.status
                call.error = ""
            call.answered_at = call.answered_at or news.answered_at
            call.ended_at = call.ended_at or news.ended_at
            call.duration_seconds = call.duration_seconds or news.duration_seconds
            if news.price is not None:
                call.price, call.price_unit = news.price, news.price_unit
            if sequence_number is not None:
                call.sequence_number = max(call.sequence_number or 0, sequence_number)
            call.next_check_at = call._next_check()
            call.save()
        self.refresh_from_db()

    def ask_twilio(self) -> None:
        """Learn this call's state and recordings from Twilio. Raises TwilioError."""
        if self.sid:
            self.apply(twilio_client.fetch_call(self.sid))
        elif found := self._find_at_twilio():
            self.apply(found)
        elif timezone.now() > self.created_at + CLOCK_SKEW:
            Call.objects.filter(pk=self.pk, sid=None).update(
                status=Call.Status.FAILED,
                error="Twilio's list of calls does not have this call: nothing was "
                "dialled. It is safe to dial again.",
                next_check_at=None,
            )
        if self.sid and self.is_finished:
            for news in twilio_client.list_recordings(self.sid):
                Recording.record(news, call=self)

    def _find_at_twilio(self) -> CallState | None:
        """The call that was placed although its answer never reached us."""
        earliest, latest = self.created_at - CLOCK_SKEW, self.created_at + CLOCK_SKEW
        candidates = [
            state
            for state in twilio_client.list_calls(self.to)
            if state.created_at and earliest <= state.created_at <= latest
        ]
        known = set(
            Call.objects.filter(
                sid__in=[state.sid for state in candidates]
            ).values_list("sid", flat=True)
        )
        return next((s for s in reversed(candidates) if s.sid not in known), None)

    @classmethod
    def rank(cls, status: str) -> int:
        return int(cls.RANK.get(status, cls.RANK_OF_NEW_WORDS))

    def _next_check(self) -> datetime | None:
        """When Twilio should be asked, if it has not told us by then."""
        now = timezone.now()
        if not self.is_finished:
            return now + CHECK_AFTER
        if self.status != Call.Status.COMPLETED:
            return None
        if now > (self.ended_at or now) + EXPECT_MORE_FOR:
            return None
        if not self.recordings.filter(status__in=Recording.FINISHED).exists():
            return now + CHECK_AFTER
        return now + CHECK_PRICE_AFTER if self.price is None else None


class Recording(models.Model):
    """What was said in a call, or an audio file that an operator handed in."""

    class Status(models.TextChoices):
        # Twilio's, letter for letter
        IN_PROGRESS = "in-progress", "In progress"
        PROCESSING = "processing", "Being prepared by Twilio"
        COMPLETED = "completed", "Completed"
        ABSENT = "absent", "Absent: nothing was recorded"
        FAILED = "failed", "Failed"
        DELETED = "deleted", "Deleted at Twilio"

    FINISHED = (Status.COMPLETED, Status.ABSENT, Status.FAILED, Status.DELETED)
    # Of Twilio's errors those that an operator meets.
    ABSENCE = {
        16101: "The recording was too short to keep.",
        16102: "Nobody spoke, and this Twilio account deletes silent recordings.",
    }

    sid = models.CharField("SID", max_length=34, unique=True, null=True, blank=True)
    call = models.ForeignKey(
        Call,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="recordings",
    )
    status = models.CharField(max_length=20, choices=Status.choices, db_index=True)
    duration_seconds = models.PositiveIntegerField(
        "duration (seconds)", null=True, blank=True
    )
    channels = models.PositiveSmallIntegerField(null=True, blank=True)
    # Twilio's word (RecordVerb, OutboundAPI...), or ours: file, url.
    source = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    audio = models.FileField(upload_to="recordings/", blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    fetched_at = models.DateTimeField("audio stored", null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        if self.call:
            return f"Recording of the call to {self.call.number}"
        return f"Recording from a {self.source or 'file'}"

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def filename(self) -> str:
        """What the audio is called when an operator saves it: no number in it."""
        return (self.audio.name or "").rsplit("/", 1)[-1]

    @property
    def audio_url(self) -> str:
        """Our own address of the audio, for who may listen to it."""
        return reverse("caller:recording-audio", args=[self.pk])

    @classmethod
    def record(cls, news: RecordingState, call: Call) -> Recording | None:
        """Take over what Twilio says of a recording, never going back in state.

        None if the recording is known as another call's.
        """
        with transaction.atomic():
            cls.objects.get_or_create(
                sid=news.sid, defaults={"call": call, "status": cls.Status.IN_PROGRESS}
            )
            recording = cls.objects.select_for_update().get(sid=news.sid)
            if recording.call_id != call.pk:
                logger.error("call=%s recording_of_another_call", call.uuid)
                return None
            recording.channels = recording.channels or news.channels
            recording.source = recording.source or news.source
            recording.duration_seconds = (
                recording.duration_seconds or news.duration_seconds
            )
            completed = False
            if not recording.is_finished:
                recording.status = news.status
                recording.error = cls._explain(news)
                completed = news.status == cls.Status.COMPLETED
            recording.save()
            if recording.is_finished:
                call.refresh_from_db()
                call.next_check_at = call._next_check()
                call.save(update_fields=["next_check_at"])
            if completed:
                recording_completed.send(sender=cls, recording=recording)
        return recording

    @classmethod
    def _explain(cls, news: RecordingState) -> str:
        if not news.error_code:
            return ""
        return cls.ABSENCE.get(
            news.error_code, f"See twilio.com/docs/api/errors/{news.error_code}."
        )

    def fetch_audio(self, keep_alive: Callable[[], None]) -> None:
        """Stream the audio from Twilio into our storage.

        keep_alive is called every megabyte. Raises TwilioError, and OSError when our
        storage does not take the file.
        """
        with twilio_client.open_recording(self.sid or "") as answer:
            length = answer.headers.get("Content-Length", "")
            try:
                self.store_audio(
                    audio.received(answer.iter_content(audio.CHUNK_BYTES), keep_alive),
                    expected_bytes=int(length) if length.isdigit() else None,
                )
            except audio.NotAudio as error:
                raise TwilioError(
                    f"What Twilio sent as the recording is not audio: {error}"
                ) from error

    def store_audio(
        self, chunks: Iterable[bytes], expected_bytes: int | None = None
    ) -> None:
        """Check the audio, then keep it. Raises audio.NotAudio and keeps nothing."""
        with audio.checked_file(chunks, expected_bytes) as (file, sha256):
            name = f"{self.sid or uuid4()}{audio.suffix(file)}"
            stored = self.audio.storage.save(f"recordings/{name}", file)
        now = timezone.now()
        changed = Recording.objects.filter(pk=self.pk, audio="").update(
            audio=stored, sha256=sha256, fetched_at=now
        )
        if not changed:
            # Somebody else was faster; theirs is the same audio.
            self.audio.storage.delete(stored)
        self.refresh_from_db()
