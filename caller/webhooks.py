"""What Twilio asks and tells us. Each request is authenticated, then kept, then
answered; each answer has its reason beside it.

twilio.com/docs/voice/twiml, .../voice/api/call-resource#statuscallback,
.../voice/api/recording#recordingstatuscallback, .../usage/security
"""

import functools
import logging
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator

from caller import twiml
from caller.models import Call, Recording
from caller.twilio_client import CALL_SID, RECORDING_SID, CallState, RecordingState
from djtranscribe.public_urls import public_url_of

logger = logging.getLogger(__name__)

FORM = "application/x-www-form-urlencoded"


def refusal(request: HttpRequest) -> str:
    """Why this request is not from our Twilio account; empty if it is."""
    if not settings.TWILIO_AUTH_TOKEN:
        # With an empty key anybody could sign.
        return "TWILIO_AUTH_TOKEN is not set"
    if request.content_type != FORM:
        return f"not {FORM}"
    signature = request.headers.get("X-Twilio-Signature", "")
    if not signature:
        return "no X-Twilio-Signature"
    url = public_url_of(request)
    validator = RequestValidator(settings.TWILIO_AUTH_TOKEN)
    if not validator.validate(url, request.POST, signature):
        return (
            f"the signature does not fit {settings.BASE_URL}; if Twilio sent this, "
            "BASE_URL or TWILIO_AUTH_TOKEN is not what Twilio uses"
        )
    if not constant_time_compare(
        request.POST.get("AccountSid", ""), settings.TWILIO_ACCOUNT_SID
    ):
        return "another account's AccountSid"
    return ""


def from_twilio(
    view: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    @csrf_exempt
    @login_not_required
    @never_cache
    @require_POST
    @functools.wraps(view)
    def wrapper(request: HttpRequest) -> HttpResponse:
        reason = refusal(request)
        if reason:
            logger.warning("webhook=%s refused: %s", request.path, reason)
            return text(f"Refused: {reason}.", status=403)
        try:
            return view(request)
        except DatabaseError:
            # Not stored, so not acknowledged: Twilio comes again (#rc=3&rp=all).
            logger.exception("webhook=%s not stored", request.path)
            return text("The database is away. Come again.", status=503)

    return wrapper


@from_twilio
def record(request: HttpRequest) -> HttpResponse:
    """The call was answered: what is said to them?"""
    call = call_of(request)
    if call is None:
        # Never record what we could not attribute.
        return document(twiml.hang_up())
    call.apply(call_news(request))
    return document(twiml.record(call))


@from_twilio
def record_done(request: HttpRequest) -> HttpResponse:
    """The recording ended. Its state comes by its own webhook."""
    return document(twiml.goodbye())


@from_twilio
def call_webhook(request: HttpRequest) -> HttpResponse:
    call = call_of(request)
    if call is None:
        # Our row is stored before Twilio hears of it, so this cannot heal.
        return text("No such call.", status=404)
    call.apply(call_news(request), number(request, "SequenceNumber"))
    return done()


@from_twilio
def recording_webhook(request: HttpRequest) -> HttpResponse:
    call = call_of(request)
    sid = request.POST.get("RecordingSid", "")
    if call is None or not RECORDING_SID.fullmatch(sid):
        return text("No such call or recording.", status=404)
    news = RecordingState(
        sid=sid,
        call_sid=request.POST["CallSid"],
        status=request.POST.get("RecordingStatus", "")[:20],
        duration_seconds=number(request, "RecordingDuration"),
        channels=number(request, "RecordingChannels"),
        source=request.POST.get("RecordingSource", "")[:40],
        error_code=number(request, "ErrorCode"),
    )
    Recording.record(news, call)
    return done()


def call_of(request: HttpRequest) -> Call | None:
    """The call named by our own UUID in the callback URL and by Twilio's CallSid."""
    sid = request.POST.get("CallSid", "")
    try:
        uuid = UUID(request.GET.get("call", ""))
    except ValueError:
        return None
    call = Call.objects.filter(uuid=uuid).first()
    if call is None or not CALL_SID.fullmatch(sid) or call.sid not in (None, sid):
        return None
    return call


def call_news(request: HttpRequest) -> CallState:
    status = request.POST.get("CallStatus", "")[:20]
    at = timestamp(request.POST.get("Timestamp", ""))
    return CallState(
        sid=request.POST["CallSid"],
        status=status,
        created_at=None,
        answered_at=at if status == Call.Status.IN_PROGRESS else None,
        ended_at=at if status in Call.FINISHED else None,
        # Not `Duration`, which is minutes.
        duration_seconds=number(request, "CallDuration"),
        price=None,
        price_unit="",
    )


def number(request: HttpRequest, name: str) -> int | None:
    value = request.POST.get(name, "")
    # Nine digits fit every integer column.
    return (
        int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    )


def timestamp(value: str) -> datetime | None:
    """RFC 2822, in UTC; None for anything else."""
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return at if at.tzinfo else None


def document(twiml_text: str) -> HttpResponse:
    return HttpResponse(twiml_text, content_type="text/xml")


def text(message: str, status: int) -> HttpResponse:
    return HttpResponse(message, status=status, content_type="text/plain")


def done() -> HttpResponse:
    return HttpResponse(status=204)
