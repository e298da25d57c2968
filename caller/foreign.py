"""Import foreign recordings, for `reconcile --all`.

A foreign recording is in our Twilio account, but this site did not make it.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from caller import phone_numbers
from caller.models import Call, Leg, Recording
from caller.twilio import client as twilio_client
from caller.twilio.errors import NOT_FOUND, TwilioError
from caller.twilio.states import CALL_SID, CallState, RecordingState

# Priority of imported recordings. Recordings of new calls are transcribed first.
LOW_PRIORITY = -50

# The value of `source` that Twilio gives to the recording of a conversation.
CONVERSATION_SOURCE = "DialVerb"


def fetch_call_of_recording(recording_state: RecordingState) -> CallState | None:
    """Ask Twilio for the call of a foreign recording. Return None if there is no call.

    Raises TwilioError.
    """
    if not CALL_SID.fullmatch(recording_state.call_sid):
        # The recording is of a conference or a video room, not of a call.
        return None
    try:
        return twilio_client.fetch_call(recording_state.call_sid)
    except TwilioError as error:
        if error.code == NOT_FOUND:
            # The call was deleted, but not its recording.
            return None
        raise


def import_recording(
    recording_state: RecordingState, call_state: CallState, begin: datetime
) -> Recording | None:
    """Import a foreign recording together with its call. Raises TwilioError.

    Return None, and store nothing, in these cases:
    - The call has not ended.
    - The recording was deleted on this site.
    - This site already has the recording, but as a recording of another call.
    begin: the time to store for the call if Twilio reports no time.
    """
    if call_state.status not in Call.FINISHED:
        return None
    child = None
    if recording_state.source == CONVERSATION_SOURCE:
        child = twilio_client.fetch_child(call_state.sid)
    # Store the call and the recording in one transaction. If only the call were stored,
    # `reconcile` without `--all` would take it for a call of this site. It would then
    # import the recording, although nobody asked for foreign recordings.
    with transaction.atomic():
        call, _ = Call.objects.get_or_create(
            sid=call_state.sid,
            defaults={
                **parties(call_state, child),
                "status": call_state.status,
                "next_check_at": None,
                # Keep the original time: an old call must not count for today's limits.
                "created_at": call_state.created_at or begin,
            },
        )
        if child and call.is_conversation:
            own = child.to if call_state.is_inbound else call_state.to
            Leg.objects.get_or_create(call=call, defaults={"number": own[:16]})
            call.apply(child)
        call.apply(call_state)
        recording = Recording.record(recording_state, call, LOW_PRIORITY)
        if recording is None:
            transaction.set_rollback(True)
        return recording


def parties(state: CallState, child: CallState | None) -> dict[str, Any]:
    """Return values for a new Call: its direction, kind and numbers.

    child: the call that <Dial> made, or None. In an outgoing conversation, `state` is
    the call to the operator's phone, and `child` is the call to the other party.
    """
    kind = Call.Kind.CONVERSATION if child else Call.Kind.MESSAGE
    if state.is_inbound:
        direction, ours = Call.Direction.INBOUND, state.to
        other = phone_numbers.caller_number(state.from_number)
    else:
        direction, ours = Call.Direction.OUTBOUND, state.from_number
        other = child.to if child else state.to
    return {
        "direction": direction,
        "kind": kind,
        "other_number": other[:16],
        "our_number": ours[:16],
    }
