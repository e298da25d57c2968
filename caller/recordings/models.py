from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from django.conf import settings
from django.db import Error, models, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from caller.models.call import Call
from caller.models.changes import save_changes, snapshot
from caller.models.tombstone import Tombstone
from caller.recordings import audio, formats, waveform
from caller.recordings.signals import recording_completed
from caller.twilio import client as twilio_client
from caller.twilio.errors import NOT_FOUND, TwilioError
from caller.twilio.states import RecordingState
from djtranscribe.digits import whole_number
from djtranscribe.vendors.deadlines import chunks

logger = logging.getLogger(__name__)


class RecordingQuerySet(models.QuerySet["Recording"]):
    def finished(self) -> RecordingQuerySet:
        """Recordings with a final status. Later webhooks do not change it."""
        return self.filter(status__in=Recording.FINISHED)

    def unfinished(self) -> RecordingQuerySet:
        return self.exclude(status__in=Recording.FINISHED)

    def with_audio(self) -> RecordingQuerySet:
        """Recordings with audio: in our storage, or at Twilio if they are completed."""
        is_somewhere = Q(status=Recording.Status.COMPLETED) | ~Q(audio="")
        return self.filter(is_somewhere, audio_deleted_at=None)


class Recording(models.Model):
    """The recording of a call, or an audio file that an operator added."""

    class Status(models.TextChoices):
        # Twilio uses these values.
        IN_PROGRESS = "in-progress", "In progress"
        PROCESSING = "processing", "Being prepared by Twilio"
        COMPLETED = "completed", "Completed"
        ABSENT = "absent", "Absent: nothing was recorded"
        FAILED = "failed", "Failed"
        DELETED = "deleted", "Deleted at Twilio"

    FINISHED = (Status.COMPLETED, Status.ABSENT, Status.FAILED, Status.DELETED)
    # Why a recording is absent, for two of Twilio's error codes.
    ABSENCE = {
        16101: "The recording was too short to keep.",
        16102: "Nobody spoke, and this Twilio account deletes silent recordings.",
    }

    # Why a recording with one of these statuses will never have audio.
    WITHOUT_AUDIO: ClassVar[dict[str, str]] = {
        Status.DELETED: "The recording was deleted at Twilio before we fetched it.",
        Status.ABSENT: "Twilio has no audio for this recording: nothing was recorded.",
        Status.FAILED: "Twilio could not make this recording.",
    }
    UNKNOWN_AT_TWILIO = (
        "Twilio does not know this recording: it was deleted there, or it belongs to "
        "another account."
    )
    ENCRYPTED = (
        "Twilio encrypted this recording with the public key of the account, so it "
        "cannot be transcribed. To transcribe later calls, turn off “Voice Recording "
        "Encryption” in the Twilio console (Programmable Voice, Settings)."
    )

    sid = models.CharField("SID", max_length=34, unique=True, null=True, blank=True)
    call = models.ForeignKey(
        Call,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="recordings",
    )
    status = models.CharField(max_length=20, choices=Status.choices)
    # Time when a transcript of this recording was deleted. After the deletion, no new
    # transcript starts automatically.
    transcript_deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    duration_seconds = models.PositiveIntegerField(
        "duration (seconds)", null=True, blank=True
    )
    channels = models.PositiveIntegerField(null=True, blank=True)
    # How the recording was made: Twilio's value (RecordVerb, OutboundAPI...). For
    # other audio, `file` or `url`.
    source = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    audio = models.FileField(upload_to="recordings/", blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    # The result of waveform.measure. Null: no audio, or not measured yet.
    peaks = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    fetched_at = models.DateTimeField("audio stored", null=True, blank=True)
    # Time when the audio was deleted at Twilio and here, because its retention period
    # had ended.
    audio_deleted_at = models.DateTimeField(
        "audio deleted", null=True, blank=True, editable=False
    )

    # Cost of all transcripts of this recording at AssemblyAI, see speech_models.cost.
    # A price from SPEECH_RATES is in the currency of the Twilio account. The price of a
    # model that is missing there is in dollars.
    transcription_cost = models.DecimalField(
        max_digits=10, decimal_places=5, null=True, blank=True, editable=False
    )

    objects = RecordingQuerySet.as_manager()

    LENGTH = Coalesce("duration_seconds", -1)

    class Meta:
        ordering = ["-created_at"]
        # The list in admin uses the first three indexes to sort and filter.
        indexes = [
            models.Index(
                Coalesce("duration_seconds", -1), "id", name="recording_by_length"
            ),
            models.Index(fields=["status", "created_at"], name="recording_by_status"),
            models.Index(fields=["source", "created_at"], name="recording_by_source"),
            # Retention uses this index to find audio that is too old. The index stays
            # small, because it leaves out rows with deleted audio.
            models.Index(
                fields=["created_at"],
                condition=Q(audio_deleted_at=None),
                name="recording_with_audio",
            ),
        ]

    def __str__(self) -> str:
        if self.call:
            return f"Recording of the {self.call.description}"
        return f"Recording from {self.origin}"

    @property
    def origin(self) -> str:
        """Return where the audio of a recording without a call comes from."""
        names = {"url": "a URL", "file": "a file", "": "a file"}
        return names.get(self.source, "a call made elsewhere")

    @property
    def recorded_at(self) -> datetime:
        """When the call was requested. Without a call: when the audio was added."""
        return self.call.created_at if self.call else self.created_at

    @cached_property
    def transcription_cost_text(self) -> str:
        """Return the cost of all transcripts, such as `0.0008 USD`, or "" for none.

        If only some models have a price in SPEECH_RATES: `0.0008 (USD or EUR)`.
        At most one query (for the currency), if `call` is loaded.
        """
        if not self.transcription_cost:
            return ""
        unit = "USD"
        if settings.SPEECH_RATES:
            unit = (self.call and self.call.price_unit) or Call.objects.currency()
            has_all_rates = settings.SPEECH_RATES.keys() >= set(settings.SPEECH_MODELS)
            if unit != "USD" and not has_all_rates:
                unit = f"(USD or {unit})"
        return f"{self.transcription_cost.normalize():f} {unit}"

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def filename(self) -> str:
        """File name for a download. It contains no phone number."""
        return (self.audio.name or "").rsplit("/", 1)[-1]

    @property
    def audio_url(self) -> str:
        """URL of the audio on this site, for users who may view recordings."""
        return reverse("caller:recording-audio", args=[self.pk])

    @classmethod
    def record(
        cls, state: RecordingState, call: Call, priority: int = 0
    ) -> Recording | None:
        """Create or update the recording from Twilio's data.

        A final status is not changed. Return None if the recording was deleted on this
        site or belongs to another call.
        priority: the priority of the tasks that follow, -100 to 100.
        """
        with transaction.atomic():
            call.refresh_from_db(from_queryset=Call.objects.select_for_update())
            return cls.record_locked(state, call, priority)

    @classmethod
    def record_locked(
        cls, state: RecordingState, call: Call, priority: int = 0
    ) -> Recording | None:
        """Do the same as `record`. The row of `call` must already be locked."""
        recording = cls.objects.filter(sid=state.sid).order_by().first()
        is_new = recording is None
        if recording is None:
            if Tombstone.objects.filter(sid=state.sid).exists():
                return None
            recording = cls(sid=state.sid, call=call, status=cls.Status.IN_PROGRESS)
        if recording.call_id != call.pk:
            logger.error("call=%s recording_of_another_call", call.uuid)
            return None
        before = snapshot(recording)
        recording.channels = recording.channels or state.channels
        recording.source = recording.source or state.source
        recording.duration_seconds = (
            recording.duration_seconds or state.duration_seconds
        )
        was_finished = recording.is_finished
        if not was_finished:
            recording.status = state.status
            recording.error = cls._explain(state)
        if is_new:
            recording.save()
        else:
            save_changes(recording, before)
        if recording.is_finished and not was_finished:
            if call.is_finished:
                call.schedule_check_after_recording()
            if recording.status == cls.Status.COMPLETED:
                recording_completed.send(
                    sender=cls, recording=recording, priority=priority
                )
        return recording

    @classmethod
    def _explain(cls, state: RecordingState) -> str:
        if not state.error_code:
            return ""
        code = state.error_code
        unknown = f"Twilio reports error {code}: see twilio.com/docs/api/errors/{code}."
        return cls.ABSENCE.get(code, unknown)

    def fetch_audio(self, keep_alive: Callable[[], None]) -> None:
        """Stream the audio from Twilio into our storage.

        keep_alive: see audio.Heartbeat. Raises TwilioError, or OSError if our storage
        cannot save the file.
        """
        with twilio_client.open_recording(self.sid or "", self.channels) as answer:
            length = whole_number(answer.headers.get("Content-Length", ""), 18)
            try:
                self.store_audio(
                    audio.with_heartbeat(chunks(answer), keep_alive),
                    expected_bytes=length,
                    keep_alive=keep_alive,
                )
            except audio.NotAudio as error:
                raise TwilioError(
                    f"Twilio sent no usable audio for the recording: {error}"
                ) from error

    def check_missing_audio(self) -> str:
        """Ask Twilio why there is no audio. Store and return the reason.

        Return "" if Twilio gives no reason: it may still be preparing the audio. Raises
        TwilioError.
        """
        try:
            state = twilio_client.fetch_recording(self.sid or "")
        except TwilioError as error:
            if error.code != NOT_FOUND:
                raise
            status: str = self.Status.DELETED
            reason = self.UNKNOWN_AT_TWILIO
        else:
            status = state.status
            reason = self.WITHOUT_AUDIO.get(status, "")
            if reason:
                reason = f"{reason} {self._explain(state)}".strip()
        if reason:
            Recording.objects.filter(pk=self.pk).update(status=status, error=reason)
        return reason

    @property
    def may_be_encrypted(self) -> bool:
        """Whether the stored audio is from Twilio and has an unknown format."""
        return bool(self.sid) and self.filename.endswith(formats.UNKNOWN)

    def is_encrypted(self) -> bool:
        """Ask Twilio whether it encrypted the audio. Raises TwilioError.

        Return False if Twilio does not know the recording any more.
        """
        try:
            return twilio_client.fetch_recording(self.sid or "").is_encrypted
        except TwilioError as error:
            if error.code != NOT_FOUND:
                raise
            return False

    def store_audio(
        self,
        chunks: Iterable[bytes],
        expected_bytes: int | None = None,
        keep_alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Check the audio and store it.

        The row is not changed if another worker stores or deletes the audio meanwhile.
        Raises audio.NotAudio, or OSError if the storage cannot save the file.
        expected_bytes: the size of the complete audio. None if it is unknown.
        keep_alive: called regularly (see audio.Heartbeat), but not while `chunks` are
        read. For that, use audio.with_heartbeat.
        """
        with audio.checked_file(chunks, expected_bytes) as (file, sha256):
            suffix = formats.suffix(file.read(formats.HEAD_BYTES))
            name = f"{self.sid or uuid4()}{suffix}"
            peaks = waveform.measure(file, keep_alive)
            measured = {"peaks": peaks, **self._measured_columns(peaks)}
            file.seek(0)
            storage = self.audio.storage
            stored = audio.save_with_unique_name(
                storage, f"recordings/{name}", file, keep_alive
            )
        columns: dict[str, Any] = {
            "audio": stored,
            "sha256": sha256,
            "fetched_at": timezone.now(),
            **measured,
        }
        unchanged = Recording.objects.filter(
            pk=self.pk, audio=self.audio.name or "", audio_deleted_at=None
        )
        try:
            changed = unchanged.update(**columns)
        except Error:
            # No row refers to the new file.
            self.audio.storage.delete(stored)
            raise
        if changed:
            for column, value in columns.items():
                setattr(self, column, value)
        else:
            # Another worker has stored the audio, retention has deleted it, or somebody
            # has deleted the whole recording.
            self.audio.storage.delete(stored)
            with suppress(Recording.DoesNotExist):
                self.refresh_from_db()

    def delete_audio(self) -> None:
        """Delete the audio at Twilio, then here. The row stays.

        Raises TwilioError, or OSError if our storage cannot delete the file. After an
        error, this method can be called again.
        """
        if self.sid:
            twilio_client.delete_recording(self.sid)
        if name := self.audio.name:
            self.audio.storage.delete(name)
        Recording.objects.filter(pk=self.pk).update(
            audio="", peaks=None, audio_deleted_at=timezone.now()
        )

    def _measured_columns(self, measured: dict[str, Any]) -> dict[str, int]:
        """Return {column: value} for columns where Twilio's value is missing or wrong.

        measured: the result of waveform.measure.
        """
        columns = {}
        if measured and self.duration_seconds is None:
            columns["duration_seconds"] = round(measured["seconds"])
        # Twilio may report two channels but have only a mono file.
        if measured and measured["channels"] < (self.channels or math.inf):
            columns["channels"] = measured["channels"]
        return columns

    def loudness(self) -> dict[str, Any]:
        """Return the stored result of waveform.measure, or measure the audio now.

        Returns {} if the audio is not stored, cannot be read or cannot be measured.
        """
        if self.peaks is None and self.audio:
            try:
                with self.audio.open("rb") as file:
                    self.peaks = waveform.measure(file)
            except OSError:
                # Store nothing: the storage may be reachable when the page is reloaded.
                return {}
            # Retention may have deleted the audio meanwhile.
            unchanged = Recording.objects.filter(pk=self.pk, audio=self.audio.name)
            unchanged.update(peaks=self.peaks)
        return self.peaks or {}
