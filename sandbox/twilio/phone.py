"""The phone network: one thread per call, from queued to its final status."""

import threading
from urllib.parse import urljoin

from sandbox.twilio import record, twiml
from sandbox.twilio.callbacks import call_params, status_callback
from sandbox.twilio.requester import WebhookError, send, split_overrides
from sandbox.twilio.state import Call, CallOver, network, wait
from sandbox.twilio.twiml import Verb

QUEUE_SECONDS = 0.3
RING_SECONDS = 2.0
NO_ANSWER_SECONDS = 6.0
SECONDS_PER_WORD = 0.35
PRICE_SECONDS = 3.0
# Limit per call, against loops: <Record> without action, <Redirect> to itself.
MAX_DOCUMENTS = 5


def place(call: Call) -> None:
    threading.Thread(target=_live, args=(call,), daemon=True, name=call.sid).start()


def hang_up(call: Call, status: str) -> None:
    """End the call on an API request. status: ``completed`` or ``canceled``."""
    if status == "canceled" and call.status == "queued":
        call.options.pop("StatusCallback", None)  # Twilio sends no callback for these
    _finish(call, status)


def _live(call: Call) -> None:
    try:
        _dial(call)
        if call.status == "in-progress":
            _converse(call)
    except CallOver:
        pass
    except Exception as error:  # make a bug of the stand-in visible on its page
        call.note(f"the stand-in failed: {error!r}", error=500)
        raise
    finally:
        _finish(call, "completed" if call.answered else "failed")
    threading.Event().wait(PRICE_SECONDS * network.pace)
    if call.status == "completed":
        call.price = "-0.01400"


def _dial(call: Call) -> None:
    wait(call, QUEUE_SECONDS)
    call.note("initiated")
    status_callback(call, "initiated")
    if call.fate == "failed":
        _finish(call, "failed")
        return
    wait(call, QUEUE_SECONDS)
    if not network.set_status(call, "ringing"):
        raise CallOver
    status_callback(call, "ringing")
    wait(call, NO_ANSWER_SECONDS if call.fate == "no-answer" else RING_SECONDS)
    if call.fate in ("busy", "no-answer"):
        _finish(call, call.fate)
        return
    if call.options.get("MachineDetection"):
        call.answered_by = "machine_start" if call.fate == "voicemail" else "human"
    if not network.set_status(call, "in-progress"):
        raise CallOver
    status_callback(call, "answered")


def _finish(call: Call, status: str) -> None:
    if network.set_status(call, status):
        status_callback(call, "completed")
    call.over.set()


def _converse(call: Call) -> None:
    url: str | None = call.options.get("Url")
    method: str = call.options.get("Method") or "POST"
    extra: dict[str, str] = {}
    document = call.options.get("Twiml") if not url else None
    for _ in range(MAX_DOCUMENTS):
        try:
            verbs = (
                twiml.parse(document) if document else _fetch(call, method, url, extra)
            )
        except WebhookError as error:
            call.note(f"TwiML from {_shown(url)}: {error}", error=error.code)
            verbs = _fallback(call, url, error)
        document = None
        following = _play(call, verbs, url or "")
        if following is None:
            return
        url, method, extra = following
    call.note(
        f"more than {MAX_DOCUMENTS} documents in one call, probably a loop (<Record> "
        "without action requests the same document again); the stand-in hangs up"
    )


def _fetch(
    call: Call, method: str, url: str | None, extra: dict[str, str]
) -> list[Verb]:
    call.note(f"requests TwiML from {_shown(url)}")
    params = call_params(call) | extra
    return twiml.read(send(method.upper(), url or "", params))


def _fallback(call: Call, url: str | None, error: WebhookError) -> list[Verb]:
    fallback = call.options.get("FallbackUrl")
    if not fallback:
        return []
    extra = {"ErrorCode": str(error.code), "ErrorUrl": split_overrides(url or "")[0]}
    try:
        return _fetch(
            call, call.options.get("FallbackMethod") or "POST", fallback, extra
        )
    except WebhookError as second:
        call.note(f"fallback failed too: {second}", error=second.code)
        return []


Following = tuple[str, str, dict[str, str]]


def _play(call: Call, verbs: list[Verb], base: str) -> Following | None:
    """Run the verbs. Return the next request (URL, method, parameters) or None."""
    spoken = ""
    for verb in verbs:
        if odd := verb.odd_attributes():
            call.note(
                f"<{verb.name}> has attributes that Twilio does not know: "
                f"{', '.join(odd)}",
                error=12200,
            )
        if verb.name == "Say":
            spoken += " " + verb.text
            _say(call, verb)
        elif verb.name == "Play":
            call.note("plays a sound file (here: one second of silence)")
            wait(call, 1)
        elif verb.name == "Pause":
            seconds = float(verb.attributes.get("length") or 1)
            call.note(f"pauses {seconds:g} s")
            wait(call, seconds)
        elif verb.name == "Record":
            return record.run(call, verb, base, spoken)
        elif verb.name == "Redirect":
            method = verb.attributes.get("method") or "POST"
            return urljoin(base, verb.text), method, {}
        elif verb.name in ("Hangup", "Reject"):
            call.note(f"<{verb.name}>: the product hangs up")
            return None
        else:
            call.unknown_verbs.append(verb.name)
            message = f"<{verb.name}> is a verb that this stand-in does not know"
            call.note(f"{message}; the call ends", error=12200)
            print(f"{call.sid}: {message}", flush=True)
            return None
    return None


def _say(call: Call, verb: Verb) -> None:
    if fault := verb.speech_fault():
        message, code = fault
        call.note(f"{message}: nothing is said", error=code)
        return
    call.note(f"hears: {verb.text}")
    seconds = len(verb.text.split()) * SECONDS_PER_WORD
    if call.fate == "hangs-up":
        wait(call, seconds / 2)
        call.note("hangs up during the message")
        raise CallOver
    wait(call, seconds)


def _shown(url: str | None) -> str:
    return split_overrides(url)[0] if url else "the TwiML given with the call"
