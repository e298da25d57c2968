"""The steps of one phone of a call: ring, answer, listen, end."""

import threading

from sandbox.twilio.callbacks import machine_callback, status_callback
from sandbox.twilio.state import Call, CallOver, network
from sandbox.twilio.twiml import Verb

QUEUE_SECONDS = 0.3
DETECTION_SECONDS = 1.5
PRICE_SECONDS = 3.0


def ring(call: Call) -> None:
    """Dial. Return when the person has answered, or when the call has failed.

    A busy or unanswered call has failed, too. Raises CallOver if the person or the API
    ends the call meanwhile.
    """
    call.wait(QUEUE_SECONDS)
    call.note("initiated")
    status_callback(call, "initiated")
    if call.person.fate == "failed":
        finish(call, "failed")
        return
    call.wait(QUEUE_SECONDS)
    if not network.set_status(call, "ringing"):
        raise CallOver
    status_callback(call, "ringing")
    if outcome := call.person.pick_up(call):
        finish(call, outcome)
        return
    _detect_machine(call)
    if not network.set_status(call, "in-progress"):
        raise CallOver
    status_callback(call, "answered")


def come_in(call: Call) -> None:
    """Answer a call to our number. Raises CallOver if the call is over."""
    call.note("calls our number")
    call.person.connected()
    if not network.set_status(call, "in-progress"):
        raise CallOver


def _detect_machine(call: Call) -> None:
    if not call.options.get("MachineDetection"):
        return
    found = "machine_start" if call.person.is_machine else "human"
    if call.options.get("AsyncAmd") != "true":
        call.answered_by = found
        return

    def tell() -> None:
        if not call.over.wait(DETECTION_SECONDS * network.pace):
            call.answered_by = found
            call.note(f"detected: {found}")
            machine_callback(call)

    threading.Thread(target=tell, daemon=True).start()


def say(call: Call, verb: Verb) -> None:
    if fault := verb.speech_fault():
        message, code = fault
        call.note(f"{message}: nothing is said", error=code)
        return
    call.person.hear(call, verb.text)


def warn(call: Call, verb: Verb) -> None:
    if odd := verb.odd_attributes():
        call.note(
            f"<{verb.name}> has attributes that Twilio does not know: {', '.join(odd)}",
            error=12200,
        )


def finish(call: Call, status: str) -> None:
    if network.set_status(call, status):
        status_callback(call, "completed")
    call.over.set()


def settle(call: Call) -> None:
    """Wait PRICE_SECONDS, then set the price of a completed call, as Twilio does."""
    threading.Event().wait(PRICE_SECONDS * network.pace)
    if call.status == "completed":
        call.price = "-0.01400"
