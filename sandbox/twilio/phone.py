"""The phone network: one thread per call, from queued to its final status."""

import threading

from sandbox.twilio import conversation, record, twiml
from sandbox.twilio.documents import Following, fetch, following, shown
from sandbox.twilio.line import come_in, finish, ring, say, settle, warn
from sandbox.twilio.requester import WebhookError, split_overrides
from sandbox.twilio.state import Call, CallOver
from sandbox.twilio.twiml import Verb

# A call requests at most this many documents. This stops loops, such as <Redirect> to
# the same document.
MAX_DOCUMENTS = 5


def place(call: Call) -> None:
    threading.Thread(target=_live, args=(call,), daemon=True, name=call.sid).start()


def end(call: Call, status: str) -> None:
    """End the call on an API request. status: ``completed`` or ``canceled``."""
    if status == "canceled" and call.status == "queued":
        # Twilio sends no status callback when a queued call is canceled.
        call.options.pop("StatusCallback", None)
    finish(call, status)


def _live(call: Call) -> None:
    try:
        if call.direction == "inbound":
            come_in(call)
        else:
            ring(call)
        if call.status == "in-progress":
            _converse(call)
    except CallOver:
        pass
    except Exception as error:  # make a bug of the stand-in visible on its page
        call.note(f"the stand-in failed: {error!r}", error=500)
        raise
    finally:
        finish(call, "completed" if call.answered else "failed")
    settle(call)


def _converse(call: Call) -> None:
    request: Following = (
        call.options.get("Url") or "",
        call.options.get("Method") or "POST",
        {},
    )
    document = call.options.get("Twiml") if not call.options.get("Url") else None
    for _ in range(MAX_DOCUMENTS):
        url, method, extra = request
        try:
            verbs = (
                twiml.parse(document) if document else fetch(call, method, url, extra)
            )
        except WebhookError as error:
            call.note(f"TwiML from {shown(url)}: {error}", error=error.code)
            verbs = _fallback(call, url, error)
        document = None
        next_request = _play(call, verbs, url)
        if next_request is None:
            return
        request = next_request
    call.note(
        f"more than {MAX_DOCUMENTS} documents in one call, probably a loop (<Record> "
        "without action requests the same document again); the stand-in hangs up"
    )


def _fallback(call: Call, url: str, error: WebhookError) -> list[Verb]:
    fallback = call.options.get("FallbackUrl")
    if not fallback:
        return []
    extra = {"ErrorCode": str(error.code), "ErrorUrl": split_overrides(url)[0]}
    try:
        method = call.options.get("FallbackMethod") or "POST"
        return fetch(call, method, fallback, extra)
    except WebhookError as second:
        call.note(f"fallback failed too: {second}", error=second.code)
        return []


def _play(call: Call, verbs: list[Verb], base: str) -> Following | None:  # noqa: PLR0911
    """Run the verbs. Return the next request, or None to end the call."""
    spoken = ""
    for verb in verbs:
        warn(call, verb)
        if verb.name == "Say":
            spoken += " " + verb.text
            say(call, verb)
        elif verb.name == "Play":
            call.note("plays a sound file (here: one second of silence)")
            call.wait(1)
        elif verb.name == "Pause":
            seconds = float(verb.attributes.get("length") or 1)
            call.note(f"pauses {seconds:g} s")
            call.wait(seconds)
        elif verb.name == "Record":
            return record.run(call, verb, base, spoken)
        elif verb.name == "Gather":
            if pressed := _gather(call, verb, base):
                return pressed
        elif verb.name == "Dial":
            return conversation.run(call, verb, base)
        elif verb.name == "Redirect":
            return following(base, verb.text, verb.attributes.get("method"))
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


def _gather(call: Call, verb: Verb, base: str) -> Following | None:
    """Run <Gather>. Return the request that reports the pressed key.

    Return None if the person presses no key, or a key that only ends the input
    (finishOnKey).
    """
    for prompt in verb.children:
        if prompt.name == "Say":
            say(call, prompt)
    key = call.person.press(call, float(verb.attributes.get("timeout") or 5))
    if not key or key in verb.attributes.get("finishOnKey", "#"):
        return None
    action = verb.attributes.get("action", "")
    extra = {"Digits": key, "FinishedOnKey": ""}
    return following(base, action, verb.attributes.get("method"), extra)
