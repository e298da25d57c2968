"""Test data for conversations: rows for two phones, and the webhooks for both."""

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from caller.models import Call, Leg, OperatorPhone
from tests.caller.rows import CALL_SID, a_call, call_path, recording_path
from tests.data import load

OWN_NUMBER = "+14155550199"
CHILD_SID = "CA" + "0" * 31 + "4"
CHILD = {"CallSid": CHILD_SID, "ParentCallSid": CALL_SID, "Direction": "outbound-dial"}


def a_phone(user: User, **columns: Any) -> OperatorPhone:
    columns = {"number": OWN_NUMBER, "verified_at": timezone.now(), **columns}
    return OperatorPhone.objects.create(user=user, **columns)


def a_conversation(leg: dict[str, Any] | None = None, **columns: Any) -> Call:
    call = a_call(kind="conversation", **columns)
    Leg.objects.create(call=call, **{"number": OWN_NUMBER, **(leg or {})})
    return call


def path(call: Call, name: str) -> str:
    """Return the path of a webhook. name: for example `bridge/accept/`."""
    return f"/{name}?call={call.uuid}"


def status(
    call: Call, word: str, second: int, number: int, **more: str
) -> tuple[str, dict[str, str]]:
    """Return (path, fields) of a status callback.

    second: when Twilio sent it, in seconds after 10:00. number: its SequenceNumber.
    """
    at = f"Mon, 23 Nov 2026 10:00:{second:02} +0000"
    fields = {"CallStatus": word, "SequenceNumber": str(number), "Timestamp": at}
    return call_path(call), load("twilio/status-callback", **fields, **more)


def deliveries(call: Call) -> list[tuple[str, dict[str, str]]]:
    """Return (path, fields) of all webhooks for a conversation, in the right order.

    The other party hangs up before the operator.
    """
    return [
        status(call, "initiated", 0, 0),
        status(call, "ringing", 5, 1),
        status(call, "in-progress", 10, 2),
        (path(call, "bridge/"), load("twilio/twiml-request")),
        (path(call, "bridge/accept/"), load("twilio/gather-action")),
        status(call, "initiated", 15, 0, **CHILD),
        status(call, "ringing", 20, 1, **CHILD),
        status(call, "in-progress", 25, 2, **CHILD),
        (path(call, "bridge/notice/"), load("twilio/number-request")),
        status(call, "completed", 45, 3, CallDuration="20", **CHILD),
        (path(call, "bridge/done/"), load("twilio/dial-action", DialCallDuration="20")),
        status(call, "completed", 50, 3, CallDuration="40"),
        (
            recording_path(call),
            load(
                "twilio/recording-callback",
                RecordingChannels="2",
                RecordingSource="DialVerb",
            ),
        ),
    ]
