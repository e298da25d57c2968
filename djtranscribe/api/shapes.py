"""What the API answers. Times are in UTC; null is not known, or not yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from django.db.models import TextChoices
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from caller.models import Call, Recording
from transcription import presentation
from transcription.models import Transcript


def among(choices: type[TextChoices]) -> str:
    return "One of " + ", ".join(choices.values) + ", or a newer word of the vendor's."


class Problem(Schema):
    detail: str = Field(description="What is wrong, in words.")


class CallOut(Schema):
    uuid: UUID
    sid: str | None = Field(description="Twilio's name for it.")
    to: str = Field(description="The number called, such as +14155551234.")
    from_number: str = Field(description="The number shown to them.")
    status: str = Field(description=among(Call.Status))
    error: str = Field(description="Why it was not made or failed; else empty.")
    requested_by: str | None = Field(description="Who asked for it.")
    vocabulary: str | None = Field(description="Its keyword list; null: the default.")
    created_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    cost: Decimal | None
    cost_currency: str | None = Field(description="Such as USD.")

    @staticmethod
    def columns(call: Call) -> dict[str, Any]:
        names = ("uuid", "sid", "to", "from_number", "status", "error", "created_at")
        times = ("answered_at", "ended_at", "duration_seconds")
        user, words = call.requested_by, call.vocabulary
        return {
            **{name: getattr(call, name) for name in (*names, *times)},
            "requested_by": user.get_username() if user else None,
            "vocabulary": words.name if words else None,
            # Twilio's prices are negative: they leave the account.
            "cost": None if call.price is None else abs(call.price),
            "cost_currency": call.price_unit or None,
        }


class RecordingOut(Schema):
    id: int
    sid: str | None = Field(description="Twilio's name for it.")
    call: UUID | None = Field(description="Null: not of a call, but of a file.")
    status: str = Field(description=among(Recording.Status))
    error: str = Field(description="Why there is none; else empty.")
    source: str = Field(description="Twilio's word, or ours: file, url.")
    duration_seconds: int | None
    channels: int | None
    created_at: datetime
    fetched_at: datetime | None = Field(description="When its audio was stored here.")
    audio: str | None = Field(description="Where its audio is; null: not stored yet.")
    sha256: str = Field(description="Of the audio.")

    @staticmethod
    def columns(recording: Recording) -> dict[str, Any]:
        names = ("id", "sid", "status", "error", "source", "duration_seconds")
        more = ("channels", "created_at", "fetched_at", "sha256")
        audio = reverse("api:recording-audio", args=[recording.pk])
        return {
            **{name: getattr(recording, name) for name in (*names, *more)},
            "call": recording.call.uuid if recording.call else None,
            "audio": audio if recording.audio else None,
        }


class TranscriptOut(Schema):
    uuid: UUID
    recording: int
    call: UUID | None = Field(description="Null: the recording is not of a call.")
    to: str | None = Field(description="The number called.")
    status: str = Field(description=among(Transcript.Status))
    error: str = Field(description="Why there is no text; else empty.")
    vocabulary: str | None = Field(description="The keyword list that was used.")
    language: str = Field(description="Such as en_us; empty: not known.")
    confidence: float | None = Field(description="From 0 to 1.")
    audio_seconds: float | None
    created_at: datetime
    finished_at: datetime | None
    text: str = Field(description="Empty and completed: nobody spoke.")

    @staticmethod
    def columns(transcript: Transcript) -> dict[str, Any]:
        names = ("uuid", "status", "error", "language", "created_at", "finished_at")
        words, call = transcript.vocabulary, transcript.recording.call
        return {
            **{name: getattr(transcript, name) for name in (*names, "text")},
            "recording": transcript.recording_id,
            "call": call.uuid if call else None,
            "to": call.to if call else None,
            "vocabulary": words.name if words else None,
            "confidence": number(transcript.confidence),
            "audio_seconds": number(transcript.audio_seconds),
        }


class Word(Schema):
    text: str
    start_ms: int
    end_ms: int
    confidence: float | None
    speaker: str = Field(description="Empty: not known.")


class Utterance(Schema):
    """What one speaker says until another does, or one paragraph of it."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str


class TranscriptDetail(TranscriptOut):
    words: list[Word] | None = Field(None, description="With `words=true`.")
    utterances: list[Utterance] | None = Field(None, description="With `words=true`.")


class CallDetail(CallOut):
    recordings: list[RecordingOut] | None = Field(
        description="Null: the account may not see recordings."
    )
    transcripts: list[TranscriptOut] | None = Field(
        description="Null: the account may not read transcripts."
    )


class RecordingDetail(RecordingOut):
    transcripts: list[TranscriptOut] | None = Field(
        description="Null: the account may not read transcripts."
    )


class NotDialled(Problem):
    call: CallOut = Field(description="The attempt as it is kept, with its error.")


class Listed(Schema):
    next_cursor: str | None = Field(
        description="For the parameter `cursor`; null: this was the last page."
    )


class CallPage(Listed):
    items: list[CallOut]


class RecordingPage(Listed):
    items: list[RecordingOut]


class TranscriptPage(Listed):
    items: list[TranscriptOut]


def call_out(call: Call) -> CallOut:
    return CallOut(**CallOut.columns(call))


def recordings_out(recordings: Iterable[Recording]) -> list[RecordingOut]:
    return [RecordingOut(**RecordingOut.columns(each)) for each in recordings]


def transcripts_out(transcripts: Iterable[Transcript]) -> list[TranscriptOut]:
    return [TranscriptOut(**TranscriptOut.columns(each)) for each in transcripts]


def spoken(transcript: Transcript) -> tuple[list[Word], list[Utterance]]:
    words = presentation.words_of(
        transcript.words, number(transcript.audio_seconds) or 0
    )
    speaker, utterances = "", []
    for turn in presentation.turns_of(words):
        speaker = turn.speaker or speaker
        text = " ".join(word.text for word in turn.words)
        start, end = turn.words[0].start, turn.words[-1].end
        utterances.append(
            Utterance(text=text, start_ms=start, end_ms=end, speaker=speaker)
        )
    return [
        Word(
            text=word.text,
            start_ms=word.start,
            end_ms=word.end,
            confidence=word.confidence,
            speaker=word.speaker,
        )
        for word in words
    ], utterances


def number(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and isfinite(value) else None
