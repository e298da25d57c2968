"""Twilio's webhooks. Each request is authenticated, stored, and answered.

twilio.com/docs/voice/twiml, .../voice/api/call-resource#statuscallback,
.../voice/api/recording#recordingstatuscallback
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from caller.models import Recording, Tombstone
from caller.tasks import hang_up
from caller.twilio import speech, twiml
from caller.twilio.states import RECORDING_SID, RecordingState, integer
from caller.twilio.webhook_base import (
    call_state,
    lock_call,
    twilio_webhook,
    twiml_response,
)
from djtranscribe.webhooks.ledger import ignore, no_content


@twilio_webhook("twilio-record", "Twilio: what to say")
def record(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Play the notice and record, now that the person has picked up."""
    call = lock_call(call_uuid, fields)
    if call is None:
        # Never record a call that we cannot identify.
        return twiml_response(twiml.hang_up())
    notice = speech.sentence("notice")
    call.apply_locked(call_state(fields), notice=notice.text)
    # If Twilio repeats this request, play the notice that is stored already.
    return twiml_response(twiml.record(call, twiml.stored_notice(call, notice)))


@twilio_webhook("twilio-record-done", "Twilio: end of the recording")
def record_done(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Say goodbye. The recording's status arrives in a webhook of its own."""
    return twiml_response(twiml.say_and_hang_up("goodbye"))


@twilio_webhook("twilio-call", "Twilio: status of a call")
def call_webhook(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    call = lock_call(call_uuid, fields)
    if call is None:
        # We store each call before Twilio reports its status. So this call will not be
        # stored later, and a retry of the webhook would not help.
        return no_such_call(fields)
    call.apply_locked(call_state(fields))
    return no_content()


@twilio_webhook("twilio-machine", "Twilio: person or voicemail")
def machine_webhook(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Store who answered. End the call if `ends_for_voicemail` is true."""
    call = lock_call(call_uuid, fields)
    if call is None:
        return no_such_call(fields)
    call.apply_locked(call_state(fields))
    if call.ends_for_voicemail:
        hang_up.enqueue(call.pk)
    return no_content()


@twilio_webhook("twilio-recording", "Twilio: status of a recording")
def recording_webhook(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    call = lock_call(call_uuid, fields)
    sid = fields.get("RecordingSid", "")
    if call is None or not RECORDING_SID.fullmatch(sid):
        return no_such_call(fields)
    state = RecordingState(
        sid=sid,
        call_sid=fields.get("CallSid", ""),
        status=fields.get("RecordingStatus", "")[:20],
        duration_seconds=integer(fields.get("RecordingDuration")),
        channels=integer(fields.get("RecordingChannels")),
        source=fields.get("RecordingSource", "")[:40],
        error_code=integer(fields.get("ErrorCode")),
    )
    Recording.record_locked(state, call)
    return no_content()


def no_such_call(fields: Mapping[str, Any]) -> HttpResponse:
    sids = [fields.get(name, "") for name in ("ParentCallSid", "CallSid")]
    if Tombstone.objects.filter(sid__in=filter(None, sids)).exists():
        return ignore("This call was deleted here.", is_deleted=True)
    return ignore("No such call.")
