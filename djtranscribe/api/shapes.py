"""Schemas of the responses. Times are in UTC.

Null means unknown or not known yet, unless the description of the field says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import TextChoices
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from caller.models import Call, Recording
from transcription import presentation, words
from transcription.models import Transcript
from transcription.notifications.content import finite_or_none
from transcription.review.current import original_of, words_of


def one_of(choices: type[TextChoices]) -> str:
    return f"One of {', '.join(choices.values)}."


def one_of_or_newer(statuses: type[TextChoices]) -> str:
    return f"One of {', '.join(statuses.values)}, or a newer status of the vendor."


class Problem(Schema):
    detail: str = Field(description="A sentence that says what is wrong.")


class CallOut(Schema):
    uuid: UUID
    sid: str | None = Field(description="Twilio's ID of the call.")
    to: str = Field(description="The number called, such as +14155551234.")
    contact: str | None = Field(
        description="The name of the contact with the other party's number. Null "
        "without a contact."
    )
    from_number: str = Field(description="The number that called.")
    direction: str = Field(description=one_of(Call.Direction))
    kind: str = Field(description=one_of(Call.Kind))
    status: str = Field(description=one_of_or_newer(Call.Status))
    error: str = Field(
        description="Why the call failed or was not placed. Empty if there is no error."
    )
    requested_by: str | None = Field(
        description="The operator who placed the call. If an incoming call was "
        "forwarded: the operator whose phone rang."
    )
    vocabulary: str | None = Field(
        description="The keyword list that was chosen for this call. Null if none was "
        "chosen."
    )
    created_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    cost: Decimal | None = Field(
        description="What Twilio charges. In a conversation, the sum of the prices "
        "known for both phones."
    )
    cost_currency: str | None = Field(description="Such as USD.")

    @staticmethod
    def columns(call: Call) -> dict[str, Any]:
        names = ("uuid", "sid", "to", "from_number", "direction", "kind")
        state = ("status", "error", "created_at")
        times = ("answered_at", "ended_at", "duration_seconds")
        user, words = call.requested_by, call.vocabulary
        return {
            **{name: getattr(call, name) for name in (*names, *state, *times)},
            "contact": getattr(call, "contact_name", None),
            "requested_by": user.get_username() if user else None,
            "vocabulary": words.name if words else None,
            "cost": call.total_price,
            "cost_currency": call.currency or None,
        }


class RecordingOut(Schema):
    id: int
    sid: str | None = Field(description="Twilio's ID of the recording.")
    call: UUID | None = Field(
        description="The call's UUID. Null if the recording does not belong to a call."
    )
    status: str = Field(description=one_of_or_newer(Recording.Status))
    error: str = Field(
        description="Why there is no recording. Empty if there is no error."
    )
    source: str = Field(
        description="Twilio's name for the source. If the audio is not from Twilio: "
        "file or url."
    )
    duration_seconds: int | None
    channels: int | None
    created_at: datetime
    fetched_at: datetime | None = Field(description="When the audio was stored here.")
    audio: str | None = Field(
        description="The path of the audio. Null if no audio is stored."
    )
    sha256: str = Field(
        description="The SHA-256 checksum of the audio. Empty if none was stored."
    )

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
    call: UUID | None = Field(
        description="The call's UUID. Null if the recording does not belong to a call."
    )
    to: str | None = Field(
        description="The other party's number: the number that we called, or that "
        "called us."
    )
    status: str = Field(description=one_of_or_newer(Transcript.Status))
    error: str = Field(
        description="Why there is no text, or none yet. Empty if there is no error."
    )
    vocabulary: str | None = Field(description="The keyword list that was used.")
    language: str = Field(description="Such as en_us. Empty if unknown.")
    confidence: float | None = Field(description="From 0 to 1.")
    audio_seconds: float | None
    created_at: datetime
    finished_at: datetime | None
    text: str = Field(
        description="With all corrections. If the status is completed and the text is "
        "empty, nobody spoke, or a person removed all words."
    )
    revision: int = Field(
        description="Number of the last revision: a correction, an undo, a "
        "verification and so on. 0 if there is none."
    )
    verified_at: datetime | None = Field(
        description="When a person verified the text, which locks it. Null if not "
        "verified."
    )

    @staticmethod
    def columns(transcript: Transcript) -> dict[str, Any]:
        names = ("uuid", "status", "error", "language", "created_at", "finished_at")
        words, call = transcript.vocabulary, transcript.recording.call
        return {
            **{name: getattr(transcript, name) for name in (*names, "text")},
            "recording": transcript.recording_id,
            "revision": transcript.revision or 0,
            "verified_at": transcript.verified_at,
            "call": call.uuid if call else None,
            "to": call.other_number if call else None,
            "vocabulary": words.name if words else None,
            "confidence": finite_or_none(transcript.confidence),
            "audio_seconds": finite_or_none(transcript.audio_seconds),
        }


class Word(Schema):
    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = Field(
        description="From 0 to 1. Null if unknown, and for words that a person wrote."
    )
    speaker: str = Field(description="Empty if unknown.")
    first: int = Field(
        description="Index of this word in `original_words`. If a person wrote the "
        "word: index of the first word that the correction replaces."
    )
    last: int = Field(
        description="Index after that word. If a person wrote the word: index after "
        "the last word that the correction replaces."
    )


class OriginalWord(Schema):
    text: str
    start_ms: int
    end_ms: int
    confidence: float | None
    speaker: str


class Utterance(Schema):
    """A paragraph of what one speaker says. Another speaker begins a new paragraph."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str


class TranscriptDetail(TranscriptOut):
    original_text: str = Field(description="As AssemblyAI wrote it.")
    words: list[Word] | None = Field(None, description="Only with `words=true`.")
    original_words: list[OriginalWord] | None = Field(
        None, description="Before any correction. Only with `words=true`."
    )
    utterances: list[Utterance] | None = Field(
        None, description="Only with `words=true`."
    )


class CorrectionOut(Schema):
    first: int
    last: int
    text: str


class CallDetail(CallOut):
    recordings: list[RecordingOut] | None = Field(
        description="Null if the account has no permission to see recordings."
    )
    transcripts: list[TranscriptOut] | None = Field(
        description="Null if the account may not read transcripts."
    )


class RecordingDetail(RecordingOut):
    transcripts: list[TranscriptOut] | None = Field(
        description="Null if the account may not read transcripts."
    )


class Disputed(Problem):
    corrections: list[CorrectionOut] = Field(
        description="Current text of words that somebody else has corrected. Empty if "
        "the transcript is verified."
    )


class NotDialled(Problem):
    call: CallOut = Field(description="The stored attempt, with its error.")


class Listed(Schema):
    next_cursor: str | None = Field(
        description="Value for the parameter `cursor`. Null if this is the last page."
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


def word_fields(transcript: Transcript) -> dict[str, Any]:
    """Return the fields that a response has only with `words=true`."""
    now = words_of(transcript)
    speaker, utterances = "", []
    for turn in presentation.turns_of(now):
        speaker = turn.speaker or speaker
        start, end = turn.words[0].start, turn.words[-1].end
        utterances.append(
            Utterance(text=turn.text, start_ms=start, end_ms=end, speaker=speaker)
        )
    return {
        "words": [
            Word(**word_out(word), first=word.at, last=word.at + word.span)
            for word in now
        ],
        "original_words": [
            OriginalWord(**word_out(word)) for word in original_of(transcript)
        ],
        "utterances": utterances,
    }


def word_out(word: words.Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start_ms": word.start,
        "end_ms": word.end,
        "confidence": word.confidence,
        "speaker": word.speaker,
    }
