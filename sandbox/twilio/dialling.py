"""Handle POST Calls.json: place the call, or refuse it with Twilio's error code."""

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse

from sandbox.twilio import phone
from sandbox.twilio.fates import fate_of
from sandbox.twilio.placing import E164, new_call
from sandbox.twilio.shapes import call_json, error
from sandbox.twilio.state import Call, network

LISTS = ("StatusCallbackEvent", "RecordingStatusCallbackEvent")
EVENTS = {"initiated", "ringing", "answered", "completed"}
# Parameters of Twilio's API that the stand-in ignores.
IGNORED = ("Record", "SendDigits", "ApplicationSid", "TimeLimit")
# Twilio sends this in place of a withheld number.
WITHHELD = "+266696687"
# For the fate no-api-answer (see fates.py): send no response for this long. Clients
# give up earlier.
HOLD_SECONDS = 60.0


def create(request: HttpRequest) -> HttpResponse:
    form = request.POST
    refusal = _refusal(form)
    if refusal:
        return error(400, *refusal)
    options: dict[str, Any] = {
        name: form.getlist(name) if name in LISTS else form[name] for name in form
    }
    call = new_call(form["To"], form["From"], options)
    _warn(call)
    answer = JsonResponse(call_json(call), status=201)
    phone.place(call)
    if call.person.fate == "no-api-answer":
        request.META["sandbox.handler"].hold_and_drop(HOLD_SECONDS)
    return answer


def call_in(number: str) -> Call:
    """Let the person with this number call our number.

    Raises ValueError if the number is invalid, or if our number has no Voice URL.
    """
    if number and not E164.fullmatch(number):
        raise ValueError("'from' is a number such as +14155551234, or empty.")
    if not network.voice_url:
        raise ValueError("The number has no Voice URL: run manage.py connect-number.")
    options = {"Url": network.voice_url, "StatusCallback": network.status_callback}
    call = new_call(network.phone_number, number or WITHHELD, options, "inbound")
    phone.place(call)
    return call


def _warn(call: Call) -> None:
    for name in IGNORED:
        if name in call.options:
            call.note(f"{name} is ignored by this stand-in")
    for event in {
        e for f in call.options.get("StatusCallbackEvent", []) for e in f.split()
    }:
        if event not in EVENTS:
            call.note(f"unknown StatusCallbackEvent: {event}", error=21626)


def _refusal(form: Any) -> tuple[int, str] | None:  # noqa: PLR0911 (one per error)
    to, from_ = form.get("To", ""), form.get("From", "")
    if not to:
        return 21201, "No 'To' number is specified"
    if not from_:
        return 21213, "No 'From' number is specified"
    if not E164.fullmatch(to) or fate_of(to) == "invalid":
        return (
            21211,
            f"The phone number you are attempting to call, {to}, is not valid.",
        )
    if not E164.fullmatch(from_):
        return 21212, f"The source phone number provided, {from_}, is not valid."
    if from_ != network.phone_number:
        return 21210, (
            f"The source phone number provided, {from_}, is not yet verified for your "
            "account. You may only make calls from phone numbers that you've verified "
            "or purchased from Twilio."
        )
    if fate_of(to) == "no-permission":
        return 21215, (
            f"Account not authorized to call {to}. Perhaps you need to enable some "
            "international permissions."
        )
    if not form.get("Url") and not form.get("Twiml"):
        return 21205, "Url parameter is required"
    for name, code in (("Url", 21205), ("StatusCallback", 21609)):
        if form.get(name) and not _is_web_address(form[name]):
            return code, f"{name} is not a valid URL: {form[name]}"
    return None


def _is_web_address(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
