"""Twilio's REST API for calls, the account and its number."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from sandbox.twilio import dialling, phone
from sandbox.twilio.auth import authenticated
from sandbox.twilio.filters import in_range
from sandbox.twilio.shapes import call_json, error, not_found, page, root, time
from sandbox.twilio.state import FINAL, network


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
            and wanted.get("ParentCallSid") in (None, call.parent_sid)
            # A queued call has no start_time, so use the time of its creation.
            and in_range(wanted, "StartTime", call.started or call.created)
            and in_range(wanted, "EndTime", call.ended)
        ]
    except ValueError as problem:
        return error(400, 20001, str(problem))
    return page(request, "calls", items)


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
            return error(
                400,
                20001,
                "The stand-in supports only Status=completed and Status=canceled",
            )
        if found.status in FINAL:
            return error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if status == "completed" or found.status in ("queued", "ringing"):
            phone.end(found, status)
    return JsonResponse(call_json(found))


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
    wanted = request.GET.get("PhoneNumber")
    items = [_number_json()] if wanted in (None, network.phone_number) else []
    return page(request, "incoming_phone_numbers", items)


@authenticated("GET", "POST")
def phone_number(request: HttpRequest, sid: str) -> HttpResponse:
    if sid != network.phone_number_sid:
        return not_found(request.path)
    if request.method == "POST":
        network.voice_url = request.POST.get("VoiceUrl", network.voice_url)
        network.status_callback = request.POST.get(
            "StatusCallback", network.status_callback
        )
    return JsonResponse(_number_json())


def _number_json() -> dict[str, Any]:
    return {
        "sid": network.phone_number_sid,
        "account_sid": network.account_sid,
        "phone_number": network.phone_number,
        "friendly_name": network.phone_number,
        "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
        "date_created": time(network.created),
        "date_updated": time(network.created),
        "status": "in-use",
        "voice_url": network.voice_url,
        "voice_method": "POST",
        "status_callback": network.status_callback,
        "status_callback_method": "POST",
        "uri": f"{root()}/IncomingPhoneNumbers/{network.phone_number_sid}.json",
    }
