"""Request TwiML documents."""

from urllib.parse import urljoin

from sandbox.twilio import twiml
from sandbox.twilio.callbacks import call_params
from sandbox.twilio.requester import WebhookError, send, split_overrides
from sandbox.twilio.state import Call
from sandbox.twilio.twiml import Verb

# A request to send next: URL, method, additional parameters.
Following = tuple[str, str, dict[str, str]]


def following(
    base: str, url: str, method: str | None, extra: dict[str, str] | None = None
) -> Following:
    return urljoin(base, url), (method or "POST").upper(), extra or {}


def fetch(call: Call, method: str, url: str, extra: dict[str, str]) -> list[Verb]:
    """Return the verbs of a document. Raises WebhookError."""
    call.note(f"requests TwiML from {shown(url)}")
    return twiml.read(send(method.upper(), url, call_params(call) | extra))


def request_action(call: Call, action: Following) -> None:
    """Request the action URL after a hang-up, as Twilio does. Ignore the response."""
    url, method, extra = action
    try:
        send(method, url, call_params(call, "completed") | extra)
    except WebhookError as error:
        call.note(f"action after the hang-up: {error}", error=error.code)


def shown(url: str | None) -> str:
    return split_overrides(url)[0] if url else "the TwiML given with the call"
