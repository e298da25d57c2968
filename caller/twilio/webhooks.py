"""What Twilio asks and tells us. Each request is authenticated, then kept, then
answered; each answer has its reason beside it.

twilio.com/docs/voice/twiml, .../voice/api/call-resource#statuscallback,
.../voice/api/recording#recordingstatuscallback, .../usage/security
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from twilio.request_validator import RequestValidator

from caller.models import Call, Recording
from caller.twilio import speech, twiml
from caller.twilio.client import CALL_SID, RECORDING_SID, CallState, RecordingState
from djtranscribe.public_urls import public_url_of
from djtranscribe.webhooks.ledger import done, ignore, webhook

FORM = "application/x-www-form-urlencoded"


def refusal(request: HttpRequest, about: str) -> str:
    """Why this request is not from our Twilio account; empty if it is."""
    if not settings.TWILIO_AUTH_TOKEN:
        # With an empty key anybody could sign.
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
            f"its signature does not fit {url.partition('?')[0]}, which we checked. "
            f"It reached us as {seen_url(request)}. If Twilio sent it, set BASE_URL to "
            "the address that Twilio was given, or mend TWILIO_AUTH_TOKEN."
        )
    account = request.POST.get("AccountSid", "")
    if not constant_time_compare(account, settings.TWILIO_ACCOUNT_SID):
        return "its AccountSid is another account's."
    return ""


def seen_url(request: HttpRequest) -> str:
    """As the request names it, without what a forger may have put into the query."""
    host = urlsplit(f"//{request.META.get('HTTP_HOST', '')}").hostname or "?"
    return f"{request.scheme}://{host[:100]}{request.path}"


def said(request: HttpRequest) -> dict[str, Any]:
    # PostgreSQL cannot store a NUL character, and Twilio has no use for one.
    return {
        name.replace("\0", ""): str(value).replace("\0", "")
        for name, value in request.POST.items()
    }


@webhook("twilio-record", refusal, said)
def record(about: str, said: Mapping[str, Any]) -> HttpResponse:
    """The call was answered: what is said to them?"""
    call = call_of(about, said)
    if call is None:
        # Never record what we could not attribute.
        return document(twiml.hang_up())
    call.apply(call_news(said))
    call.record_notice(speech.sentence("notice").text)
    return document(twiml.record(call))


@webhook("twilio-record-done", refusal, said)
def record_done(about: str, said: Mapping[str, Any]) -> HttpResponse:
    """The recording ended. Its state comes by its own webhook."""
    return document(twiml.goodbye())


@webhook("twilio-call", refusal, said)
def call_webhook(about: str, said: Mapping[str, Any]) -> HttpResponse:
    call = call_of(about, said)
    if call is None:
        # Our row is stored before Twilio hears of it, so this cannot heal.
        return ignore("No such call.")
    call.apply(call_news(said), number(said, "SequenceNumber"))
    return done()


@webhook("twilio-recording", refusal, said)
def recording_webhook(about: str, said: Mapping[str, Any]) -> HttpResponse:
    call = call_of(about, said)
    sid = said.get("RecordingSid", "")
    if call is None or not RECORDING_SID.fullmatch(sid):
        return ignore("No such call or recording.")
    news = RecordingState(
        sid=sid,
        call_sid=said["CallSid"],
        status=said.get("RecordingStatus", "")[:20],
        duration_seconds=number(said, "RecordingDuration"),
        channels=number(said, "RecordingChannels"),
        source=said.get("RecordingSource", "")[:40],
        error_code=number(said, "ErrorCode"),
    )
    Recording.record(news, call)
    return done()


def call_of(about: str, said: Mapping[str, Any]) -> Call | None:
    """The call named by our own UUID in the callback URL and by Twilio's CallSid."""
    sid = said.get("CallSid", "")
    try:
        uuid = UUID(about)
    except ValueError:
        return None
    call = Call.objects.filter(uuid=uuid).first()
    if call is None or not CALL_SID.fullmatch(sid) or call.sid not in (None, sid):
        return None
    return call


def call_news(said: Mapping[str, Any]) -> CallState:
    status = said.get("CallStatus", "")[:20]
    at = timestamp(said.get("Timestamp", ""))
    return CallState(
        sid=said["CallSid"],
        status=status,
        to="",
        created_at=None,
        ringing_at=at if status == Call.Status.RINGING else None,
        answered_at=at if status == Call.Status.IN_PROGRESS else None,
        ended_at=at if status in Call.FINISHED else None,
        # Not `Duration`, which is minutes.
        duration_seconds=number(said, "CallDuration"),
        price=None,
        price_unit="",
    )


def number(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name, "")
    # Nine digits fit every integer column.
    is_number = value.isascii() and value.isdigit() and len(value) < 10
    return int(value) if is_number else None


def timestamp(value: str) -> datetime | None:
    """RFC 2822 -> an aware time; None for anything else."""
    try:
        at = parsedate_to_datetime(value)
        return at.astimezone(timezone.utc) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def document(twiml_text: str) -> HttpResponse:
    return HttpResponse(twiml_text, content_type="text/xml")
