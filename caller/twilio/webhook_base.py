"""Base of Twilio's webhooks: authenticate a request, find its call, read its fields.

twilio.com/docs/usage/security, .../voice/api/call-resource#statuscallback
"""

import functools
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from twilio.request_validator import RequestValidator

from caller.models import Call
from caller.twilio.states import CALL_SID, CallState, integer
from djtranscribe.public_urls import public_url_of, split_url
from djtranscribe.webhooks.ledger import webhook

FORM = "application/x-www-form-urlencoded"


def authentication_fault(request: HttpRequest, call_uuid: str) -> str:
    """Return why this request is not from our Twilio account, or "" if it is."""
    if not settings.TWILIO_AUTH_TOKEN:
        # Anybody could sign with an empty key.
        return "TWILIO_AUTH_TOKEN is not set."
    if request.content_type != FORM:
        return f"its body is not {FORM}."
    signature = request.headers.get("X-Twilio-Signature", "")
    if not signature:
        return "it has no X-Twilio-Signature."
    tokens = [settings.TWILIO_AUTH_TOKEN, *settings.TWILIO_AUTH_TOKEN_FALLBACKS]
    url = public_url_of(request)
    if not any(
        RequestValidator(token).validate(url, request.POST, signature)
        for token in tokens
    ):
        return (
            f"its signature does not match {url.partition('?')[0]}, the URL that we "
            f"checked. The request was received as {requested_url(request)}. If Twilio "
            "sent it, set BASE_URL to the address that Twilio uses, or fix "
            "TWILIO_AUTH_TOKEN."
        )
    account = request.POST.get("AccountSid", "")
    if not constant_time_compare(account, settings.TWILIO_ACCOUNT_SID):
        return "its AccountSid belongs to another account."
    return ""


def requested_url(request: HttpRequest) -> str:
    """Return the URL of a refused request, to show it to users.

    Leave out the query, because a forger can write any text there.
    """
    host = split_url(f"//{request.META.get('HTTP_HOST', '')}").hostname or "?"
    return f"{request.scheme}://{host[:100]}{request.path}"


def form_fields(request: HttpRequest) -> dict[str, Any]:
    # PostgreSQL cannot store NUL characters, and Twilio never sends them.
    return {
        name.replace("\0", ""): str(value).replace("\0", "")
        for name, value in request.POST.items()
    }


twilio_webhook = functools.partial(
    webhook, find_fault=authentication_fault, read_fields=form_fields
)


def lock_call(call_uuid: str, fields: Mapping[str, Any]) -> Call | None:
    """Lock and return the call. Return None if the UUID or Twilio's SID is wrong.

    ParentCallSid: the SID of our call, in webhooks about a phone that <Dial> called.
    call_uuid: from the URL. The webhook of our own number has no UUID in its URL. Then
    find the incoming call by its SID.
    """
    sid = fields.get("ParentCallSid") or fields.get("CallSid", "")
    if not CALL_SID.fullmatch(sid):
        return None
    try:
        if not call_uuid:
            calls = Call.objects.select_for_update()
            return calls.get(sid=sid, direction=Call.Direction.INBOUND)
        call = Call.objects.get_locked(UUID(call_uuid))
    except (Call.DoesNotExist, ValueError):
        return None
    return call if call.sid in (None, sid) else None


def call_state(fields: Mapping[str, Any]) -> CallState:
    status = fields.get("CallStatus", "")[:20]
    at = timestamp(fields.get("Timestamp", ""))
    return CallState(
        sid=fields.get("CallSid", "")[:34],
        status=status,
        to="",
        created_at=None,
        ringing_at=at if status == Call.Status.RINGING else None,
        answered_at=at if status == Call.Status.IN_PROGRESS else None,
        ended_at=at if status in Call.FINISHED else None,
        # Not `Duration`, which is in minutes.
        duration_seconds=integer(fields.get("CallDuration")),
        price=None,
        price_unit="",
        parent_sid=fields.get("ParentCallSid", "")[:34],
        answered_by=fields.get("AnsweredBy", "")[:20],
    )


def timestamp(value: str) -> datetime | None:
    """Parse an RFC 2822 date into an aware time. Return None for anything else."""
    try:
        at = parsedate_to_datetime(value)
        return at.astimezone(timezone.utc) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def twiml_response(twiml_text: str) -> HttpResponse:
    return HttpResponse(twiml_text, content_type="text/xml")
