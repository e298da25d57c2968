"""What the call's page says: what has happened, is happening, and went wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from caller.models import Call, Recording

DONE, NOW, LATER, FAILED = "done", "now", "later", "failed"

WHY = {
    Call.Status.BUSY: "The line was busy.",
    Call.Status.NO_ANSWER: "Nobody answered.",
    Call.Status.CANCELED: "The call was canceled before it was answered.",
    Call.Status.FAILED: "The call could not be connected.",
    Call.Status.REFUSED: "A rule of this site forbade it.",
}


@dataclass(frozen=True)
class Step:
    name: str
    state: str
    at: datetime | None = None
    detail: str = ""


def timeline(call: Call) -> list[Step]:
    """The steps of a call; fetch `recordings__transcripts` beforehand."""
    return [*_call_steps(call), *_recording_steps(call)]


# A step is named for its doing; these say how it ended.
ENDED = {
    ("Recording", DONE): "Recorded",
    ("Recording", FAILED): "No recording",
    ("Transcribing", DONE): "Transcribed",
    ("Transcribing", FAILED): "Not transcribed",
}


def headline(steps: list[Step]) -> str:
    """Where the call stands, in one or two words."""
    step = next((step for step in steps if step.state == NOW), steps[-1])
    return ENDED.get((step.name, step.state), step.name)


def is_settled(steps: list[Step]) -> bool:
    """Whether nothing more will happen by itself."""
    return all(step.state in (DONE, FAILED) for step in steps)


def _call_steps(call: Call) -> Iterator[Step]:
    operator = call.requested_by.get_username() if call.requested_by else ""
    yield Step("Asked for", DONE, call.created_at, operator and f"by {operator}")
    if call.is_finished and call.status != Call.Status.COMPLETED:
        why = call.error or WHY[Call.Status(call.status)]
        yield Step(call.get_status_display(), FAILED, call.ended_at, why)
        return
    if call.status == Call.Status.UNKNOWN:
        yield Step("Dialing", NOW, None, f"{call.error} We are finding out.")
    else:
        yield Step("Dialing", _state(call, Call.Status.INITIATED))
    yield Step("Ringing", _state(call, Call.Status.RINGING))
    talk = f"{call.duration_seconds} s" if call.duration_seconds else ""
    yield Step(
        "In progress", _state(call, Call.Status.IN_PROGRESS), call.answered_at, talk
    )


def _state(call: Call, status: str) -> str:
    """Of the step in which a call has this status."""
    now, then = Call.rank(call.status), Call.rank(status)
    if now > then:
        return DONE
    is_first = then == Call.rank(Call.Status.INITIATED)
    return NOW if now == then or is_first else LATER


def _recording_steps(call: Call) -> Iterator[Step]:
    if call.is_finished and call.status != Call.Status.COMPLETED:
        return
    recordings = list(call.recordings.all())
    if not recordings:
        if not call.is_finished:
            yield from (Step("Recording", LATER), Step("Transcribing", LATER))
        elif call.next_check_at:
            yield Step("Recording", NOW, None, "Twilio is preparing it.")
            yield Step("Transcribing", LATER)
        else:
            yield Step(
                "Recording", FAILED, None, "Twilio has no recording of this call."
            )
        return
    for recording in recordings:
        if recording.status == Recording.Status.COMPLETED:
            length = f"{recording.duration_seconds or 0} s"
            yield Step("Recording", DONE, recording.created_at, length)
            yield from _transcript_steps(recording)
        elif recording.is_finished:
            why = recording.error or recording.get_status_display()
            yield Step("Recording", FAILED, recording.created_at, why)
        else:
            yield Step("Recording", NOW, None, "Twilio is preparing it.")
            yield Step("Transcribing", LATER)


def _transcript_steps(recording: Any) -> Iterator[Step]:
    # `transcripts` is another app's relation: only its own words are used of it.
    for transcript in recording.transcripts.all():
        if transcript.is_failed:
            yield Step("Transcribing", FAILED, transcript.finished_at, transcript.error)
        elif transcript.is_finished:
            silence = "Nobody spoke." if transcript.nobody_spoke else ""
            yield Step("Transcribing", DONE, transcript.finished_at, silence)
        else:
            yield Step("Transcribing", NOW, None, transcript.progress)
