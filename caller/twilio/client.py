"""Requests to Twilio's REST API. No other module sends requests to Twilio.

Refusals and network errors are raised as TwilioError.
Reference: twilio.com/docs/voice/api/call-resource and .../recording.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import requests
from django.conf import settings
from django.urls import reverse
from twilio.base.exceptions import TwilioRestException

from caller.twilio.callbacks import RETRY, answer_url, webhook_url
from caller.twilio.connection import TIMEOUT_SECONDS, api_url, client, credentials
from caller.twilio.errors import (
    NOT_FOUND,
    TwilioError,
    code_in,
    error_from_response,
    translate_errors,
)
from caller.twilio.states import (
    RECORDING_SID,
    CallState,
    NumberState,
    RecordingState,
    call_state,
    recording_state,
    text,
)
from djtranscribe.public_urls import public_url

if TYPE_CHECKING:
    from caller.models import Call

# Time to speak the notice that the call is recorded. `place_call` adds this time to the
# longest allowed recording or conversation. After the total time, Twilio ends the call.
NOTICE_SECONDS = 120

# The operator's own phone rings for at most this long, because most answering machines
# answer later. Twilio may add five seconds.
OPERATOR_RINGS_SECONDS = 25
# The view that Twilio requests when the phone is answered, for each kind of call.
ANSWERED = {
    "message": "caller:record",
    "conversation": "caller:bridge",
    "code": "caller:code",
}


@contextmanager
def api_errors() -> Iterator[None]:
    """Convert all errors of the SDK to TwilioError, also if a response is malformed."""
    with translate_errors():
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            # The SDK raises these exceptions if a response has an unexpected shape.
            # `translate_errors` converts ValueError to TwilioError.
            raise ValueError("Unexpected shape of Twilio's answer.") from error


def place_call(call: "Call") -> CallState:
    """Place a call. Not idempotent: retry only if TwilioError.maybe_done is False.

    In a conversation, the operator's phone is called first. Raises TwilioError.
    """
    options: dict[str, Any] = {
        "to": call.leg.number if call.is_conversation else call.other_number,
        "from_": settings.TWILIO_PHONE_NUMBER,
        "url": webhook_url(ANSWERED[call.kind], call.uuid),
        "status_callback": webhook_url("caller:call-webhook", call.uuid),
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "time_limit": settings.RECORDING_MAX_SECONDS + NOTICE_SECONDS,
    }
    if call.is_conversation:
        options["time_limit"] = settings.CONVERSATION_MAX_SECONDS + NOTICE_SECONDS
        options["timeout"] = OPERATOR_RINGS_SECONDS
    elif settings.MACHINE_DETECTION != "off" and call.kind == "message":
        # Detect answering machines in the background, so that the notice plays at once.
        options |= {
            "machine_detection": "Enable",
            "async_amd": "true",
            "async_amd_status_callback": webhook_url(
                "caller:machine-webhook", call.uuid
            ),
        }
    with api_errors():
        return call_state(client().calls.create(**options))


def hang_up(sid: str) -> None:
    """End a call. Raises TwilioError, also if the call has already ended."""
    with api_errors():
        client().calls(sid).update(status="completed")


def delete_recording(sid: str) -> None:
    """Delete a recording, if Twilio still has it. Raises TwilioError.

    The audio is deleted at once. The metadata stays at Twilio for 40 days
    (twilio.com/docs/voice/api/recording).
    """
    with api_errors(), ignore_not_found():
        client().recordings(sid).delete()


def delete_call(sid: str) -> None:
    """Delete a finished call and its recordings, if Twilio still has them.

    Also delete its child calls, which <Dial> made. Raises TwilioError.
    """
    for recording in list_recordings(sid):
        delete_recording(recording.sid)
    with api_errors():
        children = client().calls.list(parent_call_sid=sid)
    for child in children:
        delete_call(child.sid)
    with api_errors(), ignore_not_found():
        client().calls(sid).delete()


@contextmanager
def ignore_not_found() -> Iterator[None]:
    try:
        yield
    except TwilioRestException as error:
        if error.code != NOT_FOUND and error.status != requests.codes.not_found:
            raise


def fetch_call(sid: str) -> CallState:
    with api_errors():
        return call_state(client().calls(sid).fetch())


def list_calls(to: str, limit: int = 50) -> list[CallState]:
    """Return at most `limit` calls from our number to the number `to`, newest first."""
    with api_errors():
        calls = client().calls.list(
            to=to, from_=settings.TWILIO_PHONE_NUMBER, limit=limit
        )
        return [call_state(call) for call in calls]


def fetch_child(sid: str) -> CallState | None:
    """Return the child call that <Dial> made in the call `sid`, or None."""
    with api_errors():
        calls = client().calls.list(parent_call_sid=sid, limit=1)
        return call_state(calls[0]) if calls else None


def calls_since(since: datetime) -> Iterator[CallState]:
    """Yield calls that started after `since`: first from our number, then to it."""
    ours = settings.TWILIO_PHONE_NUMBER
    for party in ({"from_": ours}, {"to": ours}):
        yield from stream_calls(**party, start_time_after=since)


def calls_with(number: str) -> Iterator[CallState]:
    """Yield every call between our number and `number`, in both directions."""
    ours = settings.TWILIO_PHONE_NUMBER
    yield from stream_calls(to=number, from_=ours)
    yield from stream_calls(to=ours, from_=number)


def stream_calls(**filters: Any) -> Iterator[CallState]:
    with api_errors():
        for call in client().calls.stream(**filters, page_size=200):
            yield call_state(call)


def recordings_since(since: datetime) -> Iterator[RecordingState]:
    """Yield the account's recordings that were made after `since`, newest first."""
    with api_errors():
        for recording in client().recordings.stream(
            date_created_after=since, page_size=200
        ):
            yield recording_state(recording)


def list_recordings(call_sid: str) -> list[RecordingState]:
    with api_errors():
        recordings = client().recordings.list(call_sid=call_sid)
        return [recording_state(recording) for recording in recordings]


def fetch_recording(sid: str) -> RecordingState:
    """Return a recording's state. Twilio keeps the state for 40 days after a deletion.

    Raises TwilioError. The code is NOT_FOUND if our account has no such recording.
    """
    with api_errors():
        recording = client().recordings(sid).fetch(include_soft_deleted=True)
        return recording_state(recording)


def our_number() -> NumberState | None:
    """Return the state of TWILIO_PHONE_NUMBER, or None if the account does not own it.

    Twilio does not charge for this request.
    """
    number = settings.TWILIO_PHONE_NUMBER
    with api_errors():
        numbers = client().incoming_phone_numbers.list(phone_number=number, limit=20)
        ours = [each for each in numbers if each.phone_number == number]
        if not ours:
            return None
        return NumberState(ours[0].sid, text(ours[0].voice_url, 2000))


def connect_number(sid: str) -> None:
    """Set the webhooks of our number, so that Twilio sends incoming calls to us."""
    with api_errors():
        client().incoming_phone_numbers(sid).update(
            voice_url=answer_url(),
            voice_method="POST",
            status_callback=public_url(reverse("caller:call-webhook")) + RETRY,
            status_callback_method="POST",
        )


def server_time() -> str:
    """Return the Date header of a response from Twilio, or "" if it is missing."""
    with api_errors():
        session = client().http_client.session
        answer = session.get(api_url(), timeout=TIMEOUT_SECONDS, allow_redirects=False)
        return str(answer.headers.get("Date", ""))


def media_url(recording_sid: str) -> str:
    """Return the URL of the audio. Raises ValueError if the SID is invalid.

    Never use a URL from a webhook instead, because we send our credentials to the URL.
    """
    if not RECORDING_SID.fullmatch(recording_sid):
        raise ValueError("Not the SID of a Twilio recording.")
    return (
        f"{api_url()}/2010-04-01/Accounts/{settings.TWILIO_ACCOUNT_SID}"
        f"/Recordings/{recording_sid}.wav"
    )


@contextmanager
def open_recording(
    recording_sid: str, channels: int | None = None
) -> Iterator[requests.Response]:
    """Open the audio as a stream. Read it with `deadlines.chunks`.

    channels: if 2, request a file with each side of a conversation on its own channel.
    If Twilio has no such file, the audio has one channel with both sides.
    After a redirect to another host, `requests` does not send our credentials.
    Raises TwilioError. The code is NOT_FOUND if the audio is not ready or was deleted.
    """
    session = client().http_client.session
    wants_two = channels == 2
    with (
        translate_errors(),
        session.get(
            media_url(recording_sid),
            params={"RequestedChannels": 2} if wants_two else None,
            auth=credentials(),
            # No compression: Recording.fetch_audio compares the size of the audio with
            # Content-Length.
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=TIMEOUT_SECONDS,
        ) as answer,
    ):
        if answer.status_code == requests.codes.not_found:
            message = "Twilio does not have the recording's audio ready yet."
            raise TwilioError(message, code=NOT_FOUND)
        if wants_two and answer.status_code == requests.codes.bad_request:
            answer.close()
            with open_recording(recording_sid) as mono:
                yield mono
            return
        if not answer.ok:
            start = next(answer.iter_content(2000), b"").decode(errors="replace")
            raise error_from_response(
                answer.status_code, code_in(start), answer.headers
            )
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            # A proxy has compressed the audio. Content-Length is the compressed length.
            answer.headers.pop("Content-Length", None)
        yield answer
