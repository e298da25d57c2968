"""JSON of calls, recordings, lists and errors in the shape of Twilio's API."""

from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, JsonResponse

from sandbox.twilio.callbacks import API_VERSION, recording_url
from sandbox.twilio.state import Call, Recording, network

CALL_SUBRESOURCES = {
    "notifications": "Notifications",
    "recordings": "Recordings",
    "payments": "Payments",
    "events": "Events",
    "siprec": "Siprec",
    "streams": "Streams",
    "transcriptions": "Transcriptions",
    "user_defined_message_subscriptions": "UserDefinedMessageSubscriptions",
    "user_defined_messages": "UserDefinedMessages",
}


def root() -> str:
    return f"/{API_VERSION}/Accounts/{network.account_sid}"


def time(moment: datetime | None) -> str | None:
    return format_datetime(moment) if moment else None


def formatted(number: str) -> str:
    if number.startswith("+1") and len(number) == 12:
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return number


def call_json(call: Call) -> dict[str, Any]:
    uri = f"{root()}/Calls/{call.sid}"
    return {
        "sid": call.sid,
        "date_created": time(call.created),
        "date_updated": time(call.updated),
        "parent_call_sid": call.parent_sid,
        "account_sid": network.account_sid,
        "to": call.to,
        "to_formatted": formatted(call.to),
        "from": call.from_,
        "from_formatted": formatted(call.from_),
        "phone_number_sid": network.phone_number_sid,
        "status": call.status,
        "start_time": time(call.started),
        "end_time": time(call.ended),
        "duration": _duration(call),
        "price": call.price,
        "price_unit": "USD",
        "direction": call.direction,
        "answered_by": call.answered_by,
        "api_version": API_VERSION,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {
            name: f"{uri}/{path}.json" for name, path in CALL_SUBRESOURCES.items()
        },
    }


def _duration(call: Call) -> str | None:
    """Return the seconds as text: "0" if unanswered, None if the call is not over."""
    if call.ended is None:
        return None
    return str(call.duration or 0)


def recording_json(recording: Recording, *, of_call: bool) -> dict[str, Any]:
    """Return a recording as JSON.

    of_call: True in the list of one call's recordings, where some fields differ.
    """
    base = f"{root()}/Recordings/{recording.sid}"
    data: dict[str, Any] = {
        "account_sid": network.account_sid,
        "api_version": API_VERSION,
        "call_sid": recording.call_sid,
        "conference_sid": None,
        "date_created": time(recording.created),
        "date_updated": time(recording.updated),
        "start_time": time(recording.created),
        "duration": str(recording.duration) if recording.duration is not None else None,
        "sid": recording.sid,
        "price_unit": "USD",
        "status": recording.status,
        "channels": recording.channels,
        "source": recording.source,
        "error_code": recording.error_code,
        "encryption_details": None,
    }
    if of_call:
        call = f"{root()}/Calls/{recording.call_sid}"
        return data | {
            "price": -0.0025 if recording.priced else None,
            "uri": f"{call}/Recordings/{recording.sid}.json",
            "track": "inbound",
        }
    return data | {
        "price": "-0.00250" if recording.priced else None,
        "uri": f"{base}.json",
        "subresource_uris": {
            "add_on_results": f"{base}/AddOnResults.json",
            "transcriptions": f"{base}/Transcriptions.json",
        },
        "media_url": recording_url(recording),
    }


def page(request: HttpRequest, key: str, items: list[dict[str, Any]]) -> JsonResponse:
    """Return one page of a list, with Twilio's paging keys."""
    try:
        size = min(1000, max(1, int(request.GET.get("PageSize", 50))))
        number = max(0, int(request.GET.get("Page", 0)))
    except ValueError:
        return error(400, 20001, "Page and PageSize are numbers")
    first = number * size
    shown = items[first : first + size]

    def uri(wanted: int) -> str:
        query = request.GET.copy()
        query["PageSize"], query["Page"] = str(size), str(wanted)
        if wanted > number:
            query["PageToken"] = f"PA{shown[-1]['sid']}"
        pairs = [(name, value) for name, all_ in query.lists() for value in all_]
        return f"{request.path}?{urlencode(pairs)}"

    return JsonResponse(
        {
            key: shown,
            "first_page_uri": uri(0),
            "next_page_uri": uri(number + 1) if first + size < len(items) else None,
            "previous_page_uri": uri(number - 1) if number else None,
            "page": number,
            "page_size": size,
            "start": first,
            "end": first + max(0, len(shown) - 1),
            "uri": request.get_full_path(),
        }
    )


def error(status: int, code: int, message: str) -> JsonResponse:
    return JsonResponse(
        {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
        status=status,
    )


def not_found(path: str) -> JsonResponse:
    return error(404, 20404, f"The requested resource {path} was not found")
