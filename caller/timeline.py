"""The steps of a call, from the dial button to the transcript."""

from collections.abc import Iterator
from typing import Any

from django.urls import reverse

from caller.conversations.steps import conversation_steps
from caller.models import Call, Recording
from caller.steps import (
    DONE,
    FAILED,
    NOW,
    Retry,
    Step,
    format_elapsed,
    later_steps,
    unknown_detail,
)

# Why a call ended without success, if its row has no error.
FAILURE_REASONS: dict[str, str] = {
    Call.Status.BUSY: "The line was busy.",
    Call.Status.NO_ANSWER: "Nobody answered.",
    Call.Status.CANCELED: "The call was canceled before it was answered.",
    Call.Status.FAILED: "The call could not be connected.",
    Call.Status.REFUSED: "A rule of this site does not allow this call.",
}
DEFAULT_REASON = "The call ended without success."
VOICEMAIL = "Voicemail answered."
NO_RECORDING = "Twilio has no recording of this call."
HUNG_UP = "Voicemail answered, so this site ended the call before the recording."


def timeline(call: Call, viewer: Any = None) -> list[Step]:
    """Return the steps of a call. `recordings__transcripts` should be prefetched.

    viewer: the user who reads the steps, or None. The user who requested a conversation
    reads "Your phone". Other users read "The operator’s phone".
    """
    steps = list(_call_steps(call, viewer))
    if steps[-1].state != FAILED:
        steps.extend(_recordings_steps(call))
    return steps


def headline(steps: list[Step]) -> str:
    """Return the name of the running step or, if none is running, of the last step."""
    return next((step for step in steps if step.state == NOW), steps[-1]).name


def is_settled(steps: list[Step]) -> bool:
    """Return whether all steps have ended, so that the page can stop polling."""
    return all(step.state in (DONE, FAILED) for step in steps)


def failure_reason(call: Call) -> str:
    """Return why a call ended without success."""
    return call.error or FAILURE_REASONS.get(call.status, DEFAULT_REASON)


def missing_audio_reason(status: str | None, error: str | None) -> str:
    """Return why there is no audio. None, None: there is no recording."""
    return error or Recording.WITHOUT_AUDIO.get(status or "", NO_RECORDING)


def _call_steps(call: Call, viewer: Any) -> Iterator[Step]:
    operator = call.requested_by.get_username() if call.requested_by else ""
    if call.is_inbound:
        yield Step("Incoming call", DONE, call.created_at)
    else:
        yield Step(
            "Requested",
            DONE,
            call.created_at,
            format_elapsed(call.created_at, call.queued_at),
            operator and f"by {operator}",
        )
    if call.is_conversation:
        is_own = viewer is not None and viewer == call.requested_by
        yield from conversation_steps(call, "Your" if is_own else "The operator’s")
        if call.status == Call.Status.COMPLETED or not call.is_finished:
            return
    if call.is_finished and call.status != Call.Status.COMPLETED:
        yield from _unsuccessful_steps(call)
    elif call.is_inbound:
        yield _answered_step(call) if call.is_finished else _in_progress_step(call)
    else:
        yield from _phone_steps(call)


def _unsuccessful_steps(call: Call) -> Iterator[Step]:
    if call.ringing_at:
        rang = format_elapsed(call.ringing_at, call.ended_at)
        yield Step("Rang", DONE, call.ringing_at, rang)
    why = failure_reason(call)
    if call.refused_attempts:
        why += f" This entry counts {call.refused_attempts} refused attempts."
    yield Step(call.get_status_display(), FAILED, call.ended_at, detail=why)


def _phone_steps(call: Call) -> Iterator[Step]:
    """Yield the steps of an outgoing call without an operator."""
    rank = Call.rank(call.status)
    if rank < Call.rank(Call.Status.RINGING):
        yield _dialing_step(call)
        yield from later_steps("Ringing", "Answered")
        return
    queued = format_elapsed(call.queued_at, call.ringing_at)
    yield Step("Queued at Twilio", DONE, call.queued_at, queued)
    if rank < Call.rank(Call.Status.IN_PROGRESS):
        yield Step("Ringing", NOW, call.ringing_at)
        yield from later_steps("Answered")
        return
    rang = format_elapsed(call.ringing_at, call.answered_at)
    yield Step("Rang", DONE, call.ringing_at, rang)
    yield _answered_step(call) if call.is_finished else _in_progress_step(call)


def _in_progress_step(call: Call) -> Step:
    voicemail = VOICEMAIL if call.is_voicemail else ""
    return Step("In progress", NOW, call.answered_at, detail=voicemail)


def _answered_step(call: Call) -> Step:
    talk = f"{call.duration_seconds} s" if call.duration_seconds else ""
    details = [VOICEMAIL] if call.is_voicemail else []
    if call.cost:
        details.append(f"cost {call.cost}")
    return Step("Answered", DONE, call.answered_at, talk, " · ".join(details))


def _dialing_step(call: Call) -> Step:
    if call.status == Call.Status.UNKNOWN:
        return Step("Dialing", NOW, detail=unknown_detail(call))
    if call.status == Call.Status.DIALING:
        return Step("Asking Twilio", NOW, call.created_at)
    return Step(call.get_status_display(), NOW, call.queued_at)


TRANSCRIPTION_STEPS = ("Stored", "Submitted", "Transcribed")


def _recordings_steps(call: Call) -> Iterator[Step]:
    recordings = list(call.recordings.all())
    if not recordings and not call.is_finished:
        if call.kind != Call.Kind.CODE:
            yield from later_steps("Recorded", *TRANSCRIPTION_STEPS)
    elif call.kind == Call.Kind.CODE:
        return
    elif not recordings and call.expects_recording and call.next_check_at:
        yield from _waiting_steps(call)
    elif not recordings and not call.expects_recording:
        yield Step("No recording", FAILED, call.ended_at, detail=HUNG_UP)
    elif not recordings:
        ask = reverse("caller:ask-twilio", args=[call.uuid])
        retry = Retry("Ask Twilio again", ask, "caller.add_call")
        at = call.ended_at
        yield Step("No recording", FAILED, at, detail=NO_RECORDING, retry=retry)
    for recording in recordings:
        yield from _recording_steps(call, recording)


def _waiting_steps(call: Call) -> Iterator[Step]:
    yield Step("Recording", NOW, call.ended_at, detail="Twilio is preparing it.")
    yield from later_steps(*TRANSCRIPTION_STEPS)


def _recording_steps(call: Call, recording: Any) -> Iterator[Step]:
    if not recording.is_finished:
        yield from _waiting_steps(call)
        return
    if recording.status != Recording.Status.COMPLETED:
        why = missing_audio_reason(recording.status, recording.error)
        yield Step("No recording", FAILED, recording.created_at, detail=why)
        return
    length = f"{recording.duration_seconds or 0} s of audio"
    took = format_elapsed(call.ended_at, recording.created_at)
    yield Step("Recorded", DONE, recording.created_at, took, length)
    # Use only attributes of transcripts: `caller` must not import `transcription`.
    transcripts = list(recording.transcripts.all())
    if recording.fetched_at:
        took = format_elapsed(recording.created_at, recording.fetched_at)
        yield Step("Stored", DONE, recording.fetched_at, took)
    if recording.audio_deleted_at:
        why = "Its retention period has ended."
        yield Step("Audio deleted", DONE, recording.audio_deleted_at, detail=why)
    if recording.transcript_deleted_at and not transcripts:
        yield Step("Transcript deleted", DONE, recording.transcript_deleted_at)
    for transcript in reversed(transcripts):
        yield from _transcript_steps(recording, transcript)


def _transcript_steps(recording: Recording, transcript: Any) -> Iterator[Step]:
    """Yield the steps of a transcript: done, running and still to come."""
    ahead = [] if recording.fetched_at else [("Storing", "Stored", "Not stored")]
    began = recording.fetched_at or recording.created_at
    if transcript.is_submitted:
        ahead = []
        took = format_elapsed(began, transcript.submitted_at)
        yield Step("Submitted", DONE, transcript.submitted_at, took)
        began = transcript.submitted_at
    elif not transcript.is_finished or transcript.is_failed:
        ahead.append(("Submitting", "Submitted", "Not submitted"))
    ahead.append(("Transcribing", "Transcribed", "Not transcribed"))

    (doing, _, not_done), *others = ahead
    if transcript.is_failed:
        url = reverse("transcription:retry", args=[transcript.uuid])
        retry = Retry("Retry transcription", url, "transcription.add_transcript")
        at, why = transcript.finished_at, transcript.error
        yield Step(not_done, FAILED, at, detail=why, retry=retry)
    elif transcript.is_finished:
        silence = "Nobody spoke." if transcript.nobody_spoke else ""
        took = format_elapsed(began, transcript.finished_at)
        yield Step("Transcribed", DONE, transcript.finished_at, took, silence)
    else:
        yield Step(doing, NOW, began, detail=transcript.progress)
        yield from later_steps(*(done for _, done, _ in others))
