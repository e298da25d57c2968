"""The steps of a call, as its page shows them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

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
class Retry:
    """A button next to a failed step: label, URL to POST to, required permission."""

    label: str
    url: str
    permission: str


@dataclass(frozen=True)
class Step:
    """at: when the step was reached, or when a running step started."""

    name: str
    state: str
    at: datetime | None = None
    took: str = ""
    detail: str = ""
    retry: Retry | None = None


def timeline(call: Call) -> list[Step]:
    """Return the steps of a call. Prefetch `recordings__transcripts` before."""
    steps = list(_call_steps(call))
    if steps[-1].state != FAILED:
        steps.extend(_recordings_steps(call))
    return steps


def headline(steps: list[Step]) -> str:
    """Return the state of the call in one or two words."""
    return next((step for step in steps if step.state == NOW), steps[-1]).name


def is_settled(steps: list[Step]) -> bool:
    """Return whether nothing more will change without a person."""
    return all(step.state in (DONE, FAILED) for step in steps)


def lapse(start: datetime | None, end: datetime | None) -> str:
    """Return `< 1 s`, `4 s`, `1:05 min` or `2:10 h`, or "" if a time is missing.

    Twilio's times are whole seconds of another clock, so an end may precede its start.
    """
    if not start or not end:
        return ""
    seconds = max(0, round((end - start).total_seconds()))
    if seconds < 60:
        return f"{seconds} s" if seconds else "< 1 s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02} h" if hours else f"{minutes}:{seconds:02} min"


def later(*names: str) -> Iterator[Step]:
    yield from (Step(name, LATER) for name in names)


def _call_steps(call: Call) -> Iterator[Step]:
    operator = call.requested_by.get_username() if call.requested_by else ""
    yield Step(
        "Asked for",
        DONE,
        call.created_at,
        lapse(call.created_at, call.queued_at),
        operator and f"by {operator}",
    )
    if call.is_finished and call.status != Call.Status.COMPLETED:
        if call.ringing_at:
            rang = lapse(call.ringing_at, call.ended_at)
            yield Step("Rang", DONE, call.ringing_at, rang)
        why = call.error or WHY[Call.Status(call.status)]
        if call.refused_attempts:
            why += f" This stands for {call.refused_attempts} attempts within an hour."
        name = call.get_status_display()
        yield Step(name, FAILED, call.ended_at, detail=why)
        return
    rank = Call.rank(call.status)
    if rank < Call.rank(Call.Status.RINGING):
        yield _dialing(call)
        yield from later("Ringing", "Answered")
        return
    queued = lapse(call.queued_at, call.ringing_at)
    yield Step("Queued at Twilio", DONE, call.queued_at, queued)
    if rank < Call.rank(Call.Status.IN_PROGRESS):
        yield Step("Ringing", NOW, call.ringing_at)
        yield from later("Answered")
        return
    rang = lapse(call.ringing_at, call.answered_at)
    yield Step("Rang", DONE, call.ringing_at, rang)
    if not call.is_finished:
        yield Step("In progress", NOW, call.answered_at)
        return
    talk = f"{call.duration_seconds} s" if call.duration_seconds else ""
    cost = call.cost and f"cost {call.cost}"
    yield Step("Answered", DONE, call.answered_at, talk, cost)


def _dialing(call: Call) -> Step:
    if call.status == Call.Status.UNKNOWN:
        return Step("Dialing", NOW, detail=f"{call.error} We are finding out.")
    if call.status == Call.Status.DIALING:
        return Step("Asking Twilio", NOW, call.created_at)
    return Step(call.get_status_display(), NOW, call.queued_at)


TO_WORDS = ("Stored", "Submitted", "Transcribed")


def _recordings_steps(call: Call) -> Iterator[Step]:
    recordings = list(call.recordings.all())
    if not recordings and not call.is_finished:
        yield from later("Recorded", *TO_WORDS)
    elif not recordings and call.next_check_at:
        yield from _awaited(call)
    elif not recordings:
        why = "Twilio has no recording of this call."
        ask = reverse("caller:ask-twilio", args=[call.uuid])
        retry = Retry("Ask Twilio again", ask, "caller.add_call")
        yield Step("No recording", FAILED, call.ended_at, detail=why, retry=retry)
    for recording in recordings:
        yield from _recording_steps(call, recording)


def _awaited(call: Call) -> Iterator[Step]:
    yield Step("Recording", NOW, call.ended_at, detail="Twilio is preparing it.")
    yield from later(*TO_WORDS)


def _recording_steps(call: Call, recording: Any) -> Iterator[Step]:
    if not recording.is_finished:
        yield from _awaited(call)
        return
    if recording.status != Recording.Status.COMPLETED:
        why = recording.error or recording.get_status_display()
        yield Step("No recording", FAILED, recording.created_at, detail=why)
        return
    length = f"{recording.duration_seconds or 0} s of sound"
    took = lapse(call.ended_at, recording.created_at)
    yield Step("Recorded", DONE, recording.created_at, took, length)
    # `transcripts` belongs to another app: use only its attributes.
    transcripts = list(recording.transcripts.all())
    if recording.fetched_at:
        took = lapse(recording.created_at, recording.fetched_at)
        yield Step("Stored", DONE, recording.fetched_at, took)
    for transcript in reversed(transcripts):
        yield from _transcript_steps(recording, transcript)


def _transcript_steps(recording: Recording, transcript: Any) -> Iterator[Step]:
    """Yield the steps of a transcript, from submission to its end."""
    ahead = [] if recording.fetched_at else [("Storing", "Stored", "Not stored")]
    began = recording.fetched_at or recording.created_at
    if transcript.is_submitted:
        ahead = []
        took = lapse(began, transcript.submitted_at)
        yield Step("Submitted", DONE, transcript.submitted_at, took)
        began = transcript.submitted_at
    elif not transcript.is_finished or transcript.is_failed:
        ahead.append(("Submitting", "Submitted", "Not submitted"))
    ahead.append(("Transcribing", "Transcribed", "Not transcribed"))

    (doing, _, not_done), *others = ahead
    if transcript.is_failed:
        url = reverse("transcription:retry", args=[transcript.uuid])
        retry = Retry("Try again", url, "transcription.add_transcript")
        at, why = transcript.finished_at, transcript.error
        yield Step(not_done, FAILED, at, detail=why, retry=retry)
    elif transcript.is_finished:
        silence = "Nobody spoke." if transcript.nobody_spoke else ""
        took = lapse(began, transcript.finished_at)
        yield Step("Transcribed", DONE, transcript.finished_at, took, silence)
    else:
        yield Step(doing, NOW, began, detail=transcript.progress)
        yield from later(*(done for _, done, _ in others))
