"""<Record>: record the person, then send the callbacks and request the action."""

import threading
from urllib.parse import urljoin

from sandbox.twilio import audio
from sandbox.twilio.callbacks import call_params, recording_callback, recording_url
from sandbox.twilio.requester import WebhookError, send
from sandbox.twilio.state import (
    Call,
    CallOver,
    Recording,
    network,
    new_sid,
    now,
    wait,
)
from sandbox.twilio.twiml import Verb

EVENTS = {"in-progress", "completed", "absent"}
ALL_KEYS = "1234567890*#"
BEEP_SECONDS = 0.5
# After this much silence, a person who has finished speaking hangs up.
PATIENCE_SECONDS = 10.0
# Delay between the end of a recording and its file.
PROCESSING_SECONDS = 1.5

Following = tuple[str, str, dict[str, str]]


def run(call: Call, verb: Verb, base: str, spoken: str) -> Following:
    """Record. Return the next request: ``action``, or else the same document."""
    attributes = verb.attributes
    recording = Recording(sid=new_sid("RE"), call_sid=call.sid)
    with network.lock:
        network.recordings[recording.sid] = recording
    call.note(f"records {recording.sid}")
    events = attributes.get("recordingStatusCallbackEvent", "completed").split()
    if odd := sorted(set(events) - EVENTS):
        call.note(f"unknown recording events: {' '.join(odd)}", error=13621)
    recording_callback(call, recording, attributes)
    digits = _listen(call, recording, attributes, spoken)
    recording.status = "processing"
    threading.Thread(
        target=_process, args=(call, recording, attributes), daemon=True
    ).start()
    if not attributes.get("action"):
        call.note("<Record> has no action: the same document is requested again")
    url = urljoin(base, attributes.get("action", ""))
    method = (attributes.get("method") or "POST").upper()
    extra = {
        "RecordingUrl": recording_url(recording),
        "RecordingSid": recording.sid,
        "RecordingDuration": str(recording.duration or 0),
        "Digits": digits,
    }
    if digits == "hangup":
        _request_action(call, method, url, extra)
        raise CallOver
    return url, method, extra


def _request_action(call: Call, method: str, url: str, extra: dict[str, str]) -> None:
    """Request the action after a hang-up, as Twilio does, and ignore its answer."""
    try:
        send(method, url, call_params(call, "completed") | extra)
    except WebhookError as error:
        call.note(f"action after the hang-up: {error}", error=error.code)


def _listen(
    call: Call, recording: Recording, attributes: dict[str, str], spoken: str
) -> str:
    """Let the person speak, and set the recording's sound.

    Return what ended it: the key, "hangup", or "" for silence or maxLength.
    """
    try:
        if attributes.get("playBeep", "true") == "true":
            call.note("hears the beep")
            wait(call, BEEP_SECONDS)
        if call.fate in ("too-short", "hangs-up"):
            call.note("hangs up at the beep")
            raise CallOver
    except CallOver:
        recording.error_code = 16101
        return "hangup"
    speech = audio.speech_seconds(call.clip)
    silence, digits = _ending(attributes, spoken)
    limit = float(attributes.get("maxLength") or 3600)
    call.note(f"says: {call.said}" if call.said else "says nothing")
    length = speech + silence
    if length >= limit:
        length, digits = limit, ""
    started = now()
    try:
        wait(call, length)
    except CallOver:  # hung up by the API: keep what was said so far
        passed = (now() - started).total_seconds() / (network.pace or 1)
        length, digits = min(length, passed), "hangup"
    trimmed = attributes.get("trim", "trim-silence") == "trim-silence"
    # Do not trim a silent recording to nothing: Twilio keeps those by default.
    kept = min(length, speech) if trimmed and speech else length
    recording.sound = (call.clip, max(0.0, kept - speech), kept)
    recording.duration = round(kept)
    return digits


def _ending(attributes: dict[str, str], spoken: str) -> tuple[float, str]:
    """Return the seconds of silence after speaking, and what ends the recording.

    The person presses a key if told to. Otherwise silence ends the recording.
    """
    keys = attributes.get("finishOnKey", ALL_KEYS)
    if keys and "press" in spoken.lower():
        return 1.0, "#" if "#" in keys else keys[0]
    timeout = float(attributes.get("timeout") or 5)
    if timeout == 0 or timeout > PATIENCE_SECONDS:
        return PATIENCE_SECONDS, "hangup"
    return timeout, ""


def _process(call: Call, recording: Recording, attributes: dict[str, str]) -> None:
    threading.Event().wait(PROCESSING_SECONDS * network.pace)
    with network.lock:
        absent = recording.error_code is not None
        recording.status = "absent" if absent else "completed"
        recording.updated = now()
        recording.priced = not absent
    call.note(f"recording {recording.sid} is {recording.status}")
    recording_callback(call, recording, attributes)
