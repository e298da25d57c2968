"""The states of calls, recordings and numbers, parsed from Twilio's REST API.

Texts are cut, because PostgreSQL refuses a text that is longer than its column.
Reference: twilio.com/docs/voice/api/call-resource and .../recording.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from djtranscribe.digits import whole_number

CALL_SID = re.compile(r"CA[0-9a-f]{32}", re.ASCII)
RECORDING_SID = re.compile(r"RE[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class CallState:
    """A call as Twilio's REST API or a webhook describes it. Times are aware.

    A field that is not reported is None, "" or False. The API does not report
    `ringing_at`. Webhooks do not report `to`, `created_at`, the price, `from_number`
    and `is_inbound`.
    """

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
    # The SID of the call that dialled this call with <Dial>, or "".
    parent_sid: str = ""
    from_number: str = ""
    is_inbound: bool = False
    # Twilio's value for who answered, such as `human`. "" if MACHINE_DETECTION=off.
    answered_by: str = ""

    @property
    def last_event_at(self) -> datetime | None:
        return self.ended_at or self.answered_at or self.ringing_at or self.created_at


@dataclass(frozen=True)
class NumberState:
    """A number of our account, and the URL that Twilio requests for incoming calls."""

    sid: str
    voice_url: str


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
    # Whether Twilio encrypted the audio with the account's public key. Always false in
    # the state of a webhook, because webhooks do not report this.
    is_encrypted: bool = False


def call_state(call: Any) -> CallState:
    return CallState(
        sid=_sid(call.sid, CALL_SID),
        status=text(call.status, 20),
        to=text(call.to, 100),
        created_at=call.date_created,
        ringing_at=None,
        answered_at=_answered_at(call),
        ended_at=call.end_time,
        duration_seconds=integer(call.duration),
        price=_price(call.price),
        price_unit=text(call.price_unit, 3),
        parent_sid=text(call.parent_call_sid, 34),
        from_number=text(call._from, 100),
        is_inbound=call.direction == "inbound",
        answered_by=text(call.answered_by, 20),
    )


def _answered_at(call: Any) -> datetime | None:
    """Return when the phone was answered. None: nobody answered, or not known yet.

    Twilio's `start_time` is not used: it is the time when the phone was dialled.
    """
    seconds = integer(call.duration)
    if call.status != "completed" or call.end_time is None or seconds is None:
        return None
    answered: datetime = call.end_time - timedelta(seconds=seconds)
    return answered


def recording_state(recording: Any) -> RecordingState:
    return RecordingState(
        sid=_sid(recording.sid, RECORDING_SID),
        call_sid=text(recording.call_sid, 34),
        status=text(recording.status, 20),
        duration_seconds=integer(recording.duration),
        channels=integer(recording.channels),
        source=text(recording.source, 40),
        error_code=integer(recording.error_code),
        updated_at=recording.date_updated,
        is_encrypted=bool(recording.encryption_details),
    )


def _sid(value: Any, kind: re.Pattern[str]) -> str:
    if not (isinstance(value, str) and kind.fullmatch(value)):
        raise ValueError("The answer has no valid SID.")
    return value


def text(value: Any, max_length: int) -> str:
    # PostgreSQL cannot store NUL or unpaired surrogates.
    storable = str(value or "").encode(errors="ignore").decode()
    return storable.replace("\0", "")[:max_length]


def integer(value: Any) -> int | None:
    """Parse a number that Twilio sends as a string, a number or null.

    Return None if it is not a number of at most nine digits. Such a number fits into
    every integer column.
    """
    return whole_number(str(value), 9)


def _price(value: Any) -> Decimal | None:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and abs(price) < 100_000 else None
