"""Twilio's REST API, as far as a dialler needs it. Everything behind Basic auth."""

import base64
import hmac
from collections.abc import Callable
from datetime import datetime, timezone
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from sandbox.twilio import audio, dialling, phone
from sandbox.twilio.shapes import (
    call_json,
    error,
    not_found,
    page,
    recording_json,
    root,
    time,
)
from sandbox.twilio.state import FINAL, Recording, network

View = Callable[..., HttpResponse]
# What a plain GET of recordings shows; one in progress is not there yet.
SHOWN = {"processing", "completed", "absent"}


def authenticated(*methods: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, account: str, **kwargs: Any) -> HttpResponse:
            if not _knows(request.headers.get("Authorization", "")):
                answer = error(401, 20003, "Authenticate")
                answer["WWW-Authenticate"] = 'Basic realm="Twilio API"'
                return answer
            if account != network.account_sid:
                return not_found(request.path)
            if request.method not in methods:
                return error(405, 20004, "Method not allowed")
            return view(request, **kwargs)

        return inner

    return decorate


def _knows(header: str) -> bool:
    expected = f"{network.account_sid}:{network.auth_token}".encode()
    try:
        given = base64.b64decode(header.removeprefix("Basic "), validate=True)
    except ValueError:
        return False
    return header.startswith("Basic ") and hmac.compare_digest(given, expected)


@authenticated("GET", "POST")
def calls(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return dialling.create(request)
    wanted = request.GET
    with network.lock:
        found = sorted(network.calls.values(), key=lambda c: c.created, reverse=True)
    try:
        items = [
            call_json(call)
            for call in found
            if wanted.get("To") in (None, call.to)
            and wanted.get("From") in (None, call.from_)
            and wanted.get("Status") in (None, call.status)
            and wanted.get("ParentCallSid") is None
            # A call that waits in the queue has no start_time; by its creation it is
            # found nevertheless.
            and _in_range(wanted, "StartTime", call.started or call.created)
            and _in_range(wanted, "EndTime", call.ended)
        ]
    except ValueError as problem:
        return error(400, 20001, str(problem))
    return page(request, "calls", items)


def _in_range(wanted: Any, name: str, moment: datetime | None) -> bool:
    """Twilio's three filters on a time: name, name< and name>, a date or a moment."""
    given = {op: wanted.get(name + op) for op in ("", "<", ">")}
    if not any(given.values()):
        return True
    if moment is None:
        return False
    for op, text in given.items():
        if not text:
            continue
        limit, is_date = _moment(text)
        left, right = (moment.date(), limit.date()) if is_date else (moment, limit)
        fits = {"": left == right, "<": left <= right, ">": left >= right}[op]
        if not fits:
            return False
    return True


def _moment(text: str) -> tuple[datetime, bool]:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"not a date: {text}") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    return found, len(text) == len("2026-01-31")


@authenticated("GET", "POST", "DELETE")
def call(request: HttpRequest, sid: str) -> HttpResponse:
    found = network.calls.get(sid)
    if found is None:
        return not_found(request.path)
    if request.method == "DELETE":
        if found.status not in FINAL:
            return error(
                409, 20009, "Cannot delete this resource before it is complete"
            )
        with network.lock:
            network.calls.pop(sid, None)
        return HttpResponse(status=204)
    if request.method == "POST":
        status = request.POST.get("Status")
        if status not in ("completed", "canceled"):
            return error(400, 20001, "The stand-in knows Status=completed and canceled")
        if found.status in FINAL:
            return error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if status == "completed" or found.status in ("queued", "ringing"):
            phone.hang_up(found, status)
    return JsonResponse(call_json(found))


@authenticated("GET")
def call_recordings(request: HttpRequest, sid: str) -> HttpResponse:
    if sid not in network.calls:
        return not_found(request.path)
    return _recordings(request, network.recordings_of(sid), of_call=True)


@authenticated("GET")
def recordings(request: HttpRequest) -> HttpResponse:
    sid = request.GET.get("CallSid")
    with network.lock:
        found = [r for r in network.recordings.values() if sid in (None, r.call_sid)]
    return _recordings(request, found, of_call=False)


def _recordings(
    request: HttpRequest, found: list[Recording], *, of_call: bool
) -> HttpResponse:
    shown = SHOWN | ({"deleted"} if _soft_deleted_too(request) else set())
    found = sorted(found, key=lambda r: r.created, reverse=True)
    try:
        items = [
            recording_json(recording, of_call=of_call)
            for recording in found
            if recording.status in shown
            and _in_range(request.GET, "DateCreated", recording.created)
        ]
    except ValueError as problem:
        return error(400, 20001, str(problem))
    return page(request, "recordings", items)


def _soft_deleted_too(request: HttpRequest) -> bool:
    return request.GET.get("IncludeSoftDeleted", "").lower() == "true"


@authenticated("GET", "DELETE")
def recording(request: HttpRequest, sid: str) -> HttpResponse:
    found = network.recordings.get(sid)
    shown = SHOWN | ({"deleted"} if _soft_deleted_too(request) else set())
    if found is None or found.status not in shown:
        return not_found(request.path)
    if request.method == "DELETE":
        if found.status == "processing":
            return error(409, 20009, "Cannot delete a recording before it is complete")
        with network.lock:
            found.status = "deleted"
        return HttpResponse(status=204)
    return JsonResponse(recording_json(found, of_call=False))


@authenticated("GET")
def media(request: HttpRequest, sid: str, suffix: str = "") -> HttpResponse:
    found = network.recordings.get(sid)
    if found is None or found.status != "completed":
        # As XML, which careless code has saved as "audio" before.
        return HttpResponse(
            '<?xml version="1.0" encoding="UTF-8"?><TwilioResponse><RestException>'
            "<Code>20404</Code><Message>The requested resource was not found</Message>"
            "<MoreInfo>https://www.twilio.com/docs/errors/20404</MoreInfo>"
            "<Status>404</Status></RestException></TwilioResponse>",
            content_type="application/xml",
            status=404,
        )
    if suffix == ".mp3":
        return error(404, 20404, "This stand-in has no MP3: ask for .wav")
    if request.GET.get("RequestedChannels") == "2":
        return error(400, 21220, "This recording has one channel only")
    return HttpResponse(audio.render(*found.sound), content_type="audio/x-wav")


@authenticated("GET")
def account(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "sid": network.account_sid,
            "friendly_name": "Stand-in account (sandbox)",
            "status": "active",
            "type": "Full",
            "owner_account_sid": network.account_sid,
            "date_created": time(network.created),
            "date_updated": time(network.created),
            "auth_token": "",
            "uri": f"{root()}.json",
            "subresource_uris": {"calls": f"{root()}/Calls.json"},
        }
    )


@authenticated("GET")
def phone_numbers(request: HttpRequest) -> HttpResponse:
    number = {
        "sid": network.phone_number_sid,
        "account_sid": network.account_sid,
        "phone_number": network.phone_number,
        "friendly_name": network.phone_number,
        "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
        "date_created": time(network.created),
        "date_updated": time(network.created),
        "status": "in-use",
        "uri": f"{root()}/IncomingPhoneNumbers/{network.phone_number_sid}.json",
    }
    wanted = request.GET.get("PhoneNumber")
    items = [number] if wanted in (None, network.phone_number) else []
    return page(request, "incoming_phone_numbers", items)
