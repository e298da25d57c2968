"""The stand-in's web page, its calls as JSON for tests, and its switches."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sandbox.twilio import dialling
from sandbox.twilio.fates import FATES, SPECIALISTS
from sandbox.twilio.shapes import not_found
from sandbox.twilio.state import Call, network
from sandbox.web import evidence
from sandbox.web.control import answer

SHOWN = 30
KEY_KINDS = ("standard", "restricted", "test", "deleted")


def index(request: HttpRequest) -> HttpResponse:
    found = _newest_first()
    return render(
        request,
        "twilio.html",
        {
            "fates": {**FATES, **SPECIALISTS},
            "calls": [_evidence(call) for call in found[:SHOWN]],
            "hidden": max(0, len(found) - SHOWN),
            "deliveries": list(evidence.postman.deliveries)[: -SHOWN - 1 : -1],
            "phone_number": network.phone_number,
            "pace": network.pace,
        },
    )


def calls(request: HttpRequest) -> HttpResponse:
    return answer([_evidence(call) for call in reversed(_newest_first())])


def api_key(settings: Any) -> Any:
    """Change the kind of the API key. Raises ValueError for an unknown kind."""
    if settings.get("kind") not in KEY_KINDS:
        raise ValueError(f"'kind' is one of: {', '.join(KEY_KINDS)}")
    network.api_key_kind = settings["kind"]
    return settings


def ring(settings: Any) -> Any:
    """Place a call to our number. `from`: the caller's number, or "" to withhold it."""
    return {"sid": dialling.call_in(settings.get("from", "")).sid}


def unknown(request: HttpRequest) -> HttpResponse:
    return not_found(request.path)


def _newest_first() -> list[Call]:
    with network.lock:
        return sorted(network.calls.values(), key=lambda c: c.created, reverse=True)


def _evidence(call: Call) -> dict[str, Any]:
    return {
        "sid": call.sid,
        "to": call.to,
        "from": call.from_,
        "status": call.status,
        "direction": call.direction,
        "parent_sid": call.parent_sid,
        "fate": call.person.fate,
        "clip": call.person.clip,
        "said": call.person.said,
        "created": call.created.isoformat(),
        "duration": call.duration,
        "timeline": list(call.timeline),
        "unknown_verbs": list(call.unknown_verbs),
        "recordings": [
            {
                "sid": recording.sid,
                "status": recording.status,
                "duration": recording.duration,
                "channels": recording.channels,
                "error_code": recording.error_code,
            }
            for recording in network.recordings_of(call.sid)
        ],
    }
