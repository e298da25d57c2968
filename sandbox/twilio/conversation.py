"""Run <Dial>: call a second phone, connect and record both, request its action URL."""

import threading
import time

from sandbox.twilio import line, placing, record
from sandbox.twilio.documents import Following, fetch, following, request_action
from sandbox.twilio.requester import WebhookError
from sandbox.twilio.state import Call, CallOver, Recording, network
from sandbox.twilio.twiml import Verb

# In a conversation, the called person starts to speak this long before the other
# person has finished.
OVERLAP_SECONDS = 0.4
LEAD_SECONDS = 0.5
# Check this often whether somebody has hung up. The option --pace does not change this.
LOOK_SECONDS = 0.05


def run(call: Call, verb: Verb, base: str) -> Following | None:
    """Run <Dial>. Return the request to its action URL, or None if it has no action.

    If the call has ended and there is an action URL, send the request at once and raise
    CallOver.
    """
    attributes = verb.attributes
    numbers = [each for each in verb.children if each.name == "Number"]
    number = numbers[0] if numbers else Verb("Number", {}, verb.text)
    child = placing.second_phone(call, number, attributes.get("callerId"))
    outcome = "failed"
    if child:
        try:
            line.ring(child)
            if child.status == "in-progress":
                _hear_notice(child, number, base)
                _connect(call, child, attributes)
        except CallOver:
            pass
        line.finish(child, "completed" if child.answered else "failed")
        threading.Thread(target=line.settle, args=(child,), daemon=True).start()
        outcome = child.status
    extra = {"DialCallStatus": outcome}
    if child:
        extra |= {
            "DialCallSid": child.sid,
            "DialCallDuration": str(child.duration or 0),
            "DialBridged": str(outcome == "completed").lower(),
        }
    if not attributes.get("action"):
        return None
    action = following(base, attributes["action"], attributes.get("method"), extra)
    if call.over.is_set():
        request_action(call, action)
        raise CallOver
    return action


def _hear_notice(child: Call, number: Verb, base: str) -> None:
    """Run the document of <Number>. Only the second phone hears it."""
    url = number.attributes.get("url")
    if not url:
        return
    request = following(base, url, number.attributes.get("method"))
    try:
        verbs = fetch(child, request[1], request[0], {})
    except WebhookError as error:
        child.note(f"TwiML of <Number>: {error}", error=error.code)
        child.hang_up("is not connected")
    for verb in verbs:
        if verb.name == "Say":
            line.say(child, verb)
        elif verb.name in ("Hangup", "Reject"):
            child.hang_up(f"<{verb.name}>: the product hangs up")
        elif verb.name == "Dial":
            child.note("<Dial> is not allowed in the document of <Number>", error=13201)


def _connect(call: Call, child: Call, attributes: dict[str, str]) -> None:
    """Let both persons talk until one of them hangs up. Raises CallOver."""
    call.note(f"is connected to {child.number}")
    child.note(f"is connected to {call.number}")
    wanted = attributes.get("record", "do-not-record")
    recording = None
    if wanted != "do-not-record":
        recording = record.begin(call, attributes, "DialVerb")
        recording.channels = 2 if wanted.endswith("-dual") else 1
    limit = float(attributes.get("timeLimit") or 14_400)
    try:
        _talk(call, child, recording, limit)
    finally:
        if recording:
            record.end(call, recording, attributes)


def _talk(call: Call, child: Call, recording: Recording | None, limit: float) -> None:
    first, second = call.person, child.person
    starts = LEAD_SECONDS, LEAD_SECONDS + max(0.0, first.talk_seconds - OVERLAP_SECONDS)
    for each, person, start in zip((call, child), (first, second), starts, strict=True):
        person.talk(each, start)
    length = starts[1] + second.talk_seconds + LEAD_SECONDS
    if first.is_live or second.is_live:
        length = limit
    passed = _wait_for_both(call, child, min(length, limit))
    if recording:
        recording.tracks = [
            person.talked(start)
            for person, start in zip((first, second), starts, strict=True)
        ]
        recording.seconds = passed
        recording.duration = round(passed)
    if not call.over.is_set() and not child.over.is_set() and length < limit:
        # Both have finished speaking. The called person hangs up. With the fate
        # "listens" (see fates.py), the person who called hangs up.
        who = call if second.fate == "listens" else child
        who.hang_up("hangs up")
    raise CallOver


def _wait_for_both(call: Call, child: Call, seconds: float) -> float:
    """Wait up to `seconds` until a person hangs up. Return the seconds waited."""
    # Sound from a microphone takes real time, so do not scale it by --pace.
    is_live = call.person.is_live or child.person.is_live
    pace = 1.0 if is_live else network.pace
    began = time.monotonic()
    while not (call.over.is_set() or child.over.is_set()):
        passed = time.monotonic() - began
        if passed >= seconds * pace:
            return seconds
        time.sleep(min(LOOK_SECONDS, max(0.0, seconds * pace - passed)))
    return min(seconds, (time.monotonic() - began) / (pace or 1))
