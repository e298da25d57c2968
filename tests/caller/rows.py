"""Test data for Twilio: URLs, SIDs, rows, and the webhooks for one call."""

from typing import Any

from caller.models import Call, Recording
from tests.data import load

ACCOUNT_SID = "AC" + "0" * 31 + "1"
CALL_SID = "CA" + "0" * 31 + "2"
RECORDING_SID = "RE" + "0" * 31 + "3"
NUMBER = "+14155551234"

API = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}"
CALLS = f"{API}/Calls.json"
CALL = f"{API}/Calls/{CALL_SID}.json"
RECORDINGS = f"{API}/Recordings.json"
RECORDING = f"{API}/Recordings/{RECORDING_SID}.json"
MEDIA = f"{API}/Recordings/{RECORDING_SID}.wav"

DIAL = "/dial/14155551234/"
# Headers of a browser in which a person typed the address. With them, GET dials.
TYPED = {
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}


def a_call(**columns: Any) -> Call:
    return Call.objects.create(
        **{"other_number": NUMBER, "our_number": "+14155550100", **columns}
    )


def a_recording(**columns: Any) -> Recording:
    columns = {"sid": RECORDING_SID, "status": "completed", **columns}
    return Recording.objects.create(**columns)


def refusal(code: int, status: int = 400) -> dict[str, Any]:
    """Return an error of Twilio, as arguments for `vendors.get`, `post` or `delete`."""
    body = load("twilio/error", code=code, status=status)
    return {"json": body, "status": status}


def call_path(call: Call) -> str:
    return f"/webhooks/twilio/call/?call={call.uuid}"


def recording_path(call: Call) -> str:
    return f"/webhooks/twilio/recording/?call={call.uuid}"


def record_path(call: Call) -> str:
    return f"/record/?call={call.uuid}"


def deliveries(call: Call) -> list[tuple[str, dict[str, str]]]:
    """Return (path, fields) of all webhooks for a call in which somebody spoke.

    Twilio sends the webhooks in this order.
    """

    def status(word: str, number: int, **more: str) -> tuple[str, dict[str, str]]:
        at = f"Mon, 23 Nov 2026 10:00:{number * 10:02} +0000"
        fields = {"CallStatus": word, "SequenceNumber": str(number), "Timestamp": at}
        return call_path(call), load("twilio/status-callback", **fields, **more)

    return [
        status("initiated", 0),
        status("ringing", 1),
        status("in-progress", 2),
        (record_path(call), load("twilio/twiml-request")),
        status("completed", 3, CallDuration="17", Duration="1"),
        (recording_path(call), load("twilio/recording-callback")),
    ]
