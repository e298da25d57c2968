"""Import foreign recordings: they are in our Twilio account, but not from this site."""

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


def call_of(news: RecordingState) -> CallState | None:
    """Return the call of a foreign recording, or None if Twilio has no such call.

    Raises TwilioError.
    """
    if not CALL_SID.fullmatch(news.call_sid):
        # The recording is of a conference or a video room, not of a call.
        return None
    try:
        return twilio_client.fetch_call(news.call_sid)
    except TwilioError as error:
        if error.code == NOT_FOUND:
            # The call was deleted, but not its recording.
            return None
        raise


def import_recording(
    news: RecordingState, state: CallState, begin: datetime
) -> Recording | None:
    """Import a foreign recording together with its call. Raises TwilioError.

    Return None if the call has not ended, or if `Recording.record` returns None.
    begin: used as the time of the call if Twilio does not report the time.
    """
    if state.status not in Call.FINISHED:
        return None
    child = None
    if news.source == CONVERSATION_SOURCE:
        child = twilio_client.fetch_child(state.sid)
    # Store the call and the recording, or neither. If only the call were stored, the
    # next `reconcile` would treat the call as made from this site.
    with transaction.atomic():
        call, _ = Call.objects.get_or_create(
            sid=state.sid,
            defaults={
                **parties(state, child),
                "status": state.status,
                "next_check_at": None,
                # Keep the original time: an old call must not count for today's limits.
                "created_at": state.created_at or begin,
            },
        )
        if child and call.is_conversation:
            own = child.to if state.is_inbound else state.to
            Leg.objects.get_or_create(call=call, defaults={"number": own[:16]})
            call.apply(child)
        call.apply(state)
        return Recording.record(news, call, LOW_PRIORITY)


def parties(state: CallState, child: CallState | None) -> dict[str, Any]:
    """Return direction, kind and numbers for a Call. child: the call that <Dial> made.

    `other_number` is the number that called us if the call is inbound. Otherwise it is
    the number that <Dial> called or, if `child` is None, the number that was called.
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
