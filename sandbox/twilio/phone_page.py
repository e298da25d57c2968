"""Views of the phone page: its files, its state, and its buttons."""

import json
from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from sandbox.twilio import audio, line
from sandbox.twilio.live import RINGING, Live, at_the_page, pages
from sandbox.twilio.state import Call, network
from sandbox.web.control import answer

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css"}
# Accepted sample rates of microphones, in Hz.
RATES = range(8_000, 192_001)


def page(request: HttpRequest) -> HttpResponse:
    clips = [(name, audio.said(name)) for name in audio.clip_names()]
    context = {"clips": clips, "phone_number": network.phone_number}
    return render(request, "phone.html", context)


def file(request: HttpRequest, name: str) -> HttpResponse:
    path = STATIC / name
    if path.parent != STATIC or not path.is_file():
        raise Http404
    return HttpResponse(path.read_bytes(), content_type=TYPES[path.suffix])


def news(request: HttpRequest) -> HttpResponse:
    """Return the phones for the page, and note that the page is open."""
    pages.seen()
    return answer({"phones": [_described(call) for call in at_the_page()]})


def closed(request: HttpRequest) -> HttpResponse:
    pages.closed()
    return answer({})


def act(request: HttpRequest, sid: str, action: str) -> HttpResponse:
    """Handle a pressed button, or sound from the microphone (the action `audio`)."""
    call = network.calls.get(sid)
    if request.method != "POST" or call is None or not isinstance(call.person, Live):
        return answer({"error": "There is no such phone on the page."}, 404)
    try:
        if action == "audio":
            _speak(call.person, request)
        else:
            _press(call, call.person, action, json.loads(request.body or b"{}"))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return answer({"error": str(error)}, 400)
    return answer(_described(call))


def _press(call: Call, person: Live, action: str, what: dict[str, Any]) -> None:
    if action == "answer":
        person.wants_to_answer.set()
    elif action == "decline" and person.state == RINGING:
        call.note("declines")
        line.finish(call, "busy")
    elif action == "ignore":
        person.let_ring()
    elif action == "hangup":
        call.note("hangs up")
        call.over.set()
    elif action == "key":
        if what["key"] not in "1234567890*#" or len(what["key"]) != 1:
            raise ValueError("'key' is a digit, * or #")
        person.keys.append(what["key"])
    elif action == "clip":
        if what["clip"] not in audio.clip_names():
            raise ValueError("There is no such clip.")
        person.play(what["clip"])
    else:
        raise ValueError("There is no such button.")


def _speak(person: Live, request: HttpRequest) -> None:
    rate = int(request.GET.get("rate", ""))
    if rate not in RATES or len(request.body) % 2 or not request.body:
        raise ValueError("The body is 16-bit samples, `rate` is in Hz.")
    person.listen(request.body, rate)


def _described(call: Call) -> dict[str, Any]:
    person = call.person
    assert isinstance(person, Live)
    return {
        "sid": call.sid,
        "number": call.number,
        "caller": call.from_,
        "direction": call.direction,
        "state": person.state,
        "heard": person.heard,
        "clip": person.clip,
    }
