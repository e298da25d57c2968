"""Send Twilio's callbacks about calls and recordings."""

import math
from email.utils import format_datetime

from sandbox.twilio.requester import WebhookError, send
from sandbox.twilio.state import Call, Recording, network, now
from sandbox.web import evidence

API_VERSION = "2010-04-01"
SIP_CODES = {"busy": "486", "no-answer": "487", "failed": "404", "canceled": "487"}
# Fields for the location of a number. They are empty, because test numbers have no
# location. Twilio sends and signs empty fields, too.
GEOGRAPHY = [
    f"{who}{what}"
    for who in ("From", "To", "Caller", "Called")
    for what in ("City", "State", "Zip")
]


def call_params(call: Call, status: str | None = None) -> dict[str, str]:
    """Return the parameters that every request about a call has."""
    params = {
        "AccountSid": network.account_sid,
        "ApiVersion": API_VERSION,
        "CallSid": call.sid,
        "CallStatus": status or call.status,
        "Direction": call.direction,
        "From": call.from_,
        "Caller": call.from_,
        "To": call.to,
        "Called": call.to,
        **dict.fromkeys(GEOGRAPHY, ""),
    }
    if call.parent_sid:
        params["ParentCallSid"] = call.parent_sid
    if call.answered_by:
        params["AnsweredBy"] = call.answered_by
    return params


def machine_callback(call: Call) -> None:
    """Tell the product whether a person or a machine answered (option AsyncAmd)."""
    url = call.options.get("AsyncAmdStatusCallback")
    if url:
        method = call.options.get("AsyncAmdStatusCallbackMethod")
        what = f"detected {call.answered_by}"
        _post(call, method, url, call_params(call), what)


def status_callback(call: Call, event: str) -> None:
    """Send a status callback.

    ``event`` is initiated, ringing, answered or completed. The event "completed" is
    sent for every final status.
    """
    url = call.options.get("StatusCallback")
    with network.lock:
        number, call.sequence = call.sequence, call.sequence + 1
    if not url or event not in _events(call):
        return
    status = {"answered": "in-progress", "completed": call.status}.get(event, event)
    params = call_params(call, status) | {
        "CallbackSource": "call-progress-events",
        "Timestamp": format_datetime(now()),
        "SequenceNumber": str(number),
    }
    if event == "completed":
        seconds = call.duration or 0
        params["CallDuration"] = str(seconds)
        params["Duration"] = str(math.ceil(seconds / 60))  # minutes, as billed
        params["SipResponseCode"] = SIP_CODES.get(status, "200")
    _post(call, call.options.get("StatusCallbackMethod"), url, params, status)


def _events(call: Call) -> set[str]:
    fields = call.options.get("StatusCallbackEvent") or ["completed"]
    # The SDK sends one field per event. One field with several events works, too.
    return {event for field in fields for event in field.split()}


def recording_callback(
    call: Call, recording: Recording, attributes: dict[str, str]
) -> None:
    url = attributes.get("recordingStatusCallback")
    events = attributes.get("recordingStatusCallbackEvent", "completed").split()
    if not url or recording.status not in events:
        return
    params = {
        "AccountSid": network.account_sid,
        "CallSid": call.sid,
        "RecordingSid": recording.sid,
        "RecordingUrl": recording_url(recording),
        "RecordingStatus": recording.status,
        "RecordingChannels": str(recording.channels),
        "RecordingSource": recording.source,
        "RecordingStartTime": format_datetime(recording.created),
        "ErrorCode": str(recording.error_code or 0),
    }
    if recording.status == "completed":
        params["RecordingDuration"] = str(recording.duration)
    method = attributes.get("recordingStatusCallbackMethod")
    _post(call, method, url, params, f"recording {recording.status}")


def recording_url(recording: Recording) -> str:
    return (
        f"{network.base_url}/{API_VERSION}/Accounts/{network.account_sid}"
        f"/Recordings/{recording.sid}"
    )


def _post(
    call: Call, method: str | None, url: str, params: dict[str, str], what: str
) -> None:
    def job() -> None:
        try:
            answer = send((method or "POST").upper(), url, params)
        except WebhookError as error:
            call.note(f"callback '{what}' was not answered: {error}", error=error.code)
            return
        ok = answer.ok
        call.note(
            f"callback '{what}' was answered {answer.status_code}",
            error=None if ok else 11200,
        )

    evidence.postman.post(call.sid, url, params, job)
