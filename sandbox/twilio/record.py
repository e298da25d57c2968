"""Run <Record>: record the person, send the callbacks, request its action URL."""

import threading

from sandbox.twilio.callbacks import recording_callback, recording_url
from sandbox.twilio.documents import Following, following, request_action
from sandbox.twilio.people import ALL_KEYS, Message
from sandbox.twilio.state import Call, CallOver, Recording, network, new_sid, now
from sandbox.twilio.twiml import Verb

EVENTS = {"in-progress", "completed", "absent"}
BEEP_SECONDS = 0.5
# Time from the end of a recording until its file is available.
PROCESSING_SECONDS = 1.0


def run(call: Call, verb: Verb, base: str, spoken: str) -> Following:
    """Run <Record>. Return the request to its action URL.

    The default action URL is `base`, the URL of this document. If the person has hung
    up, send the request at once and raise CallOver.
    """
    attributes = verb.attributes
    recording = begin(call, attributes, "RecordVerb")
    message = _listen(call, recording, attributes, spoken)
    end(call, recording, attributes)
    if not attributes.get("action"):
        call.note("<Record> has no action: the same document is requested again")
    action = following(
        base,
        attributes.get("action", ""),
        attributes.get("method"),
        {
            "RecordingUrl": recording_url(recording),
            "RecordingSid": recording.sid,
            "RecordingDuration": str(recording.duration or 0),
            "Digits": message.ended_by,
        },
    )
    if message.ended_by == "hangup":
        request_action(call, action)
        raise CallOver
    return action


def begin(call: Call, attributes: dict[str, str], source: str) -> Recording:
    """Start a recording of the call, and send its callback."""
    recording = Recording(sid=new_sid("RE"), call_sid=call.sid, source=source)
    with network.lock:
        network.recordings[recording.sid] = recording
    call.note(f"records {recording.sid}")
    events = attributes.get("recordingStatusCallbackEvent", "completed").split()
    if odd := sorted(set(events) - EVENTS):
        call.note(f"unknown recording events: {' '.join(odd)}", error=13621)
    recording_callback(call, recording, attributes)
    return recording


def end(call: Call, recording: Recording, attributes: dict[str, str]) -> None:
    """End a recording. A thread completes it after PROCESSING_SECONDS."""
    recording.status = "processing"
    threading.Thread(
        target=_process, args=(call, recording, attributes), daemon=True
    ).start()


def _listen(
    call: Call, recording: Recording, attributes: dict[str, str], spoken: str
) -> Message:
    """Let the person speak, and store the sound in the recording."""
    try:
        if attributes.get("playBeep", "true") == "true":
            call.note("hears the beep")
            call.wait(BEEP_SECONDS)
        call.person.begin(call)
    except CallOver:
        recording.error_code = 16101
        return Message(0, ended_by="hangup")
    message = call.person.leave_message(
        call,
        keys=attributes.get("finishOnKey", ALL_KEYS),
        told=spoken,
        silence=float(attributes.get("timeout") or 5),
        limit=float(attributes.get("maxLength") or 3600),
    )
    trimmed = attributes.get("trim", "trim-silence") == "trim-silence"
    # Twilio keeps recordings without speech, so do not trim them to 0 seconds.
    is_shorter = trimmed and message.spoken
    kept = min(message.seconds, message.spoken) if is_shorter else message.seconds
    recording.tracks, recording.seconds = [message.track], kept
    recording.duration = round(kept)
    return message


def _process(call: Call, recording: Recording, attributes: dict[str, str]) -> None:
    threading.Event().wait(PROCESSING_SECONDS * network.pace)
    with network.lock:
        absent = recording.error_code is not None
        recording.status = "absent" if absent else "completed"
        recording.updated = now()
        recording.priced = not absent
    call.note(f"recording {recording.sid} is {recording.status}")
    recording_callback(call, recording, attributes)
