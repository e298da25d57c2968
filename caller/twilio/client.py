"""Twilio's REST API. No other module talks to it.

What Twilio refuses and the network breaks is raised as a TwilioError.
Facts and traps: twilio.com/docs/voice/api/call-resource and .../recording.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import requests
from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode

from caller.twilio.connection import TIMEOUT_SECONDS, api_url, client, credentials
from caller.twilio.errors import NOT_FOUND, TwilioError, code_in, refusal, translated
from djtranscribe.public_urls import public_url

# Twilio's default is one retry, and only if it could not connect. The part behind
# the # is for Twilio: it is neither sent to us nor signed.
RETRY = "#rc=3&rp=all"
# A call must end even when nobody speaks and nothing hangs up.
NOTICE_SECONDS = 120

CALL_SID = re.compile(r"CA[0-9a-f]{32}", re.ASCII)
RECORDING_SID = re.compile(r"RE[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class CallState:
    """A call as Twilio's REST API tells it; times are aware, durations seconds."""

    sid: str
    status: str
    to: str
    created_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    price: Decimal | None
    price_unit: str

    @property
    def last_event_at(self) -> datetime | None:
        return self.ended_at or self.answered_at or self.ringing_at or self.created_at


@dataclass(frozen=True)
class RecordingState:
    sid: str
    call_sid: str
    status: str
    duration_seconds: int | None
    channels: int | None
    source: str
    error_code: int | None
    updated_at: datetime | None = None


def callback_url(view_name: str, call_uuid: UUID) -> str:
    return public_url(f"{reverse(view_name)}?{urlencode({'call': str(call_uuid)})}")


@contextmanager
def asked() -> Iterator[None]:
    """Around what the SDK asks and reads; it trusts that an answer has its shape."""
    with translated():
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            # translated() says the same of what is no JSON at all.
            raise ValueError("Another shape than Twilio's.") from error


def place_call(to: str, call_uuid: UUID) -> CallState:
    """Let Twilio dial. Not idempotent: dial again only if `maybe_done` is False."""
    wanted = {
        "to": to,
        "from_": settings.TWILIO_PHONE_NUMBER,
        "url": callback_url("caller:record", call_uuid) + RETRY,
        "status_callback": callback_url("caller:call-webhook", call_uuid) + RETRY,
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "time_limit": settings.RECORDING_MAX_SECONDS + NOTICE_SECONDS,
    }
    with asked():
        return _call_state(client().calls.create(**wanted))


def fetch_call(sid: str) -> CallState:
    with asked():
        return _call_state(client().calls(sid).fetch())


def list_calls(to: str, limit: int = 50) -> list[CallState]:
    """The latest calls from our number to this one, newest first."""
    with asked():
        calls = client().calls.list(
            to=to, from_=settings.TWILIO_PHONE_NUMBER, limit=limit
        )
        return [_call_state(call) for call in calls]


def calls_since(since: datetime) -> Iterator[CallState]:
    """Every call from our number that began after `since`, newest first."""
    with asked():
        for call in client().calls.stream(
            from_=settings.TWILIO_PHONE_NUMBER, start_time_after=since, page_size=200
        ):
            yield _call_state(call)


def recordings_since(since: datetime) -> Iterator[RecordingState]:
    """Every recording of the account made after `since`, newest first."""
    with asked():
        for recording in client().recordings.stream(
            date_created_after=since, page_size=200
        ):
            yield _recording_state(recording)


def list_recordings(call_sid: str) -> list[RecordingState]:
    with asked():
        recordings = client().recordings.list(call_sid=call_sid, limit=50)
        return [_recording_state(recording) for recording in recordings]


def fetch_recording(sid: str) -> RecordingState:
    """Its state now. Twilio remembers a deleted one for 40 days; after that, and for
    another account's, TwilioError with the code NOT_FOUND."""
    with asked():
        found = client().recordings(sid).fetch(include_soft_deleted=True)
        return _recording_state(found)


def our_numbers() -> list[str]:
    """The account's numbers; costs nothing."""
    with asked():
        numbers = client().incoming_phone_numbers.list(
            phone_number=settings.TWILIO_PHONE_NUMBER, limit=20
        )
        return [number.phone_number for number in numbers]


def server_time() -> str:
    """Twilio's clock, as its Date header has it."""
    with asked():
        session = client().http_client.session
        answer = session.get(api_url(), timeout=TIMEOUT_SECONDS, allow_redirects=False)
        return str(answer.headers.get("Date", ""))


def media_url(recording_sid: str) -> str:
    """Return the audio's address; the API's own `uri` ends in .json and is metadata.

    Built from region, account and SID, never taken from a request: it is fetched with
    our credentials attached. Raises ValueError if this is not a SID.
    """
    if not RECORDING_SID.fullmatch(recording_sid):
        raise ValueError("Not the SID of a Twilio recording.")
    return (
        f"{api_url()}/2010-04-01/Accounts/{settings.TWILIO_ACCOUNT_SID}"
        f"/Recordings/{recording_sid}.wav"
    )


@contextmanager
def open_recording(recording_sid: str) -> Iterator[requests.Response]:
    """Open the audio as a stream, to be read with `deadlines.chunks`.

    A redirect, as to a storage host, is followed; `requests` sends our credentials to
    no other host. Raises TwilioError, with the
    code NOT_FOUND if the audio is not ready yet or was deleted.
    """
    session = client().http_client.session
    with (
        translated(),
        session.get(
            media_url(recording_sid),
            auth=credentials(),
            # Packed, its length would be another than that of the audio.
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=TIMEOUT_SECONDS,
        ) as answer,
    ):
        if answer.status_code == requests.codes.not_found:
            message = "Twilio does not have the recording's audio ready yet."
            raise TwilioError(message, code=NOT_FOUND)
        if not answer.ok:
            start = next(answer.iter_content(2000), b"").decode(errors="replace")
            raise refusal(answer.status_code, code_in(start), answer.headers)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            # Packed all the same, by a proxy: nobody has said how long the audio is.
            answer.headers.pop("Content-Length", None)
        yield answer


def _call_state(call: Any) -> CallState:
    return CallState(
        sid=_sid(call.sid, CALL_SID),
        status=_text(call.status, 20),
        to=_text(call.to, 100),
        created_at=call.date_created,
        # Only its webhook tells.
        ringing_at=None,
        answered_at=call.start_time,
        ended_at=call.end_time,
        duration_seconds=_whole(call.duration),
        price=_price(call.price),
        price_unit=_text(call.price_unit, 3),
    )


def _recording_state(recording: Any) -> RecordingState:
    return RecordingState(
        sid=_sid(recording.sid, RECORDING_SID),
        call_sid=_text(recording.call_sid, 34),
        status=_text(recording.status, 20),
        duration_seconds=_whole(recording.duration),
        channels=_whole(recording.channels),
        source=_text(recording.source, 40),
        error_code=_whole(recording.error_code),
        updated_at=recording.date_updated,
    )


def _sid(value: Any, kind: re.Pattern[str]) -> str:
    if not (isinstance(value, str) and kind.fullmatch(value)):
        raise ValueError("An answer without the SID of what it is about.")
    return value


# What follows fits the columns: PostgreSQL refuses a row for one letter too many.


def _text(value: Any, longest: int) -> str:
    # Neither NUL nor half a character can be stored.
    known = str(value or "").encode(errors="ignore").decode()
    return known.replace("\0", "")[:longest]


def _whole(value: Any) -> int | None:
    """Twilio gives numbers as strings, as numbers, or as None."""
    digits = str(value)
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 10
    return int(digits) if is_number else None


def _price(value: Any) -> Decimal | None:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and abs(price) < 100_000 else None
