"""Create calls, each with the Person at the other phone (see people.py)."""

import re
from typing import Any

from sandbox.twilio import audio
from sandbox.twilio.fates import fate_of
from sandbox.twilio.live import Live, pages
from sandbox.twilio.people import Person
from sandbox.twilio.state import Call, network, new_sid
from sandbox.twilio.twiml import Verb

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
# Fates (see fates.py) in which a person or a machine speaks. None stands for a call
# without a fate.
SPEAKING = (None, "voicemail", "no-api-answer", "listens")


def second_phone(call: Call, number: Verb, caller_id: str | None) -> Call | None:
    """Create the call to the number in <Dial>, or return None if Twilio refuses it."""
    attributes = number.attributes
    to = number.text
    if not E164.fullmatch(to) or fate_of(to) in ("invalid", "no-permission"):
        call.note(f"<Dial> cannot call {to}", error=13224)
        return None
    options = {
        "StatusCallback": attributes.get("statusCallback"),
        "StatusCallbackMethod": attributes.get("statusCallbackMethod"),
        "StatusCallbackEvent": [attributes.get("statusCallbackEvent", "completed")],
    }
    from_ = caller_id or call.from_
    return new_call(to, from_, options, "outbound-dial", call.sid)


def new_call(
    to: str,
    from_: str,
    options: dict[str, Any],
    direction: str = "outbound-api",
    parent_sid: str | None = None,
) -> Call:
    number = from_ if direction == "inbound" else to
    call = Call(
        sid=new_sid("CA"),
        to=to,
        from_=from_,
        options=options,
        person=person_of(number),
        direction=direction,
        parent_sid=parent_sid,
    )
    call.note("queued")
    with network.lock:
        network.calls[call.sid] = call
    return call


def person_of(number: str) -> Person:
    """Return the person with this number.

    While the phone page is open, its user speaks for all numbers without a fate (see
    fates.py).
    """
    fate = fate_of(number)
    clip = None
    if fate in SPEAKING:
        clip = audio.VOICEMAIL if fate == "voicemail" else audio.clip_for(number)
    if fate is None and pages.is_open():
        return Live(clip)
    return Person(fate, clip)
