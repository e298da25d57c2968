"""Twilio's webhooks for conversations, incoming calls, and calls that say a code.

twilio.com/docs/voice/twiml/gather, .../dial, .../number
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone

from caller import phone_numbers
from caller.conversations.models import Leg, OperatorPhone, code_of
from caller.models import Call, Contact, DoNotCall
from caller.twilio import speech, twiml
from caller.twilio.states import CALL_SID
from caller.twilio.webhook_base import (
    call_state,
    lock_call,
    twilio_webhook,
    twiml_response,
)

HOUR = timedelta(hours=1)


@twilio_webhook("twilio-code", "Twilio: verification code")
def code(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Say the code that verifies an operator's phone."""
    call = lock_call(call_uuid, fields)
    if call is None or call.kind != Call.Kind.CODE:
        return twiml_response(twiml.hang_up())
    call.apply_locked(call_state(fields))
    return twiml_response(twiml.code(code_of(call)))


@twilio_webhook("twilio-bridge", "Twilio: operator answered")
def bridge(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Ask the operator to press a key, now that the operator has picked up."""
    call = lock_conversation(call_uuid, fields)
    if call is None:
        return twiml_response(twiml.hang_up())
    call.apply_locked(call_state(fields))
    contact = Contact.objects.find_by_number(call.other_number)
    who = contact.name if contact else speech.spaced_digits(call.other_number)
    return twiml_response(twiml.ask_operator(call, who))


@twilio_webhook("twilio-accept", "Twilio: operator pressed a key")
def accept(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Call the other party, now that the operator has pressed a key."""
    call = lock_conversation(call_uuid, fields)
    if call is None or not fields.get("Digits"):
        return twiml_response(twiml.hang_up())
    Leg.objects.filter(call=call, accepted_at=None).update(accepted_at=timezone.now())
    notice = speech.sentence("conversation_notice").text
    call.apply_locked(call_state(fields), notice=notice)
    return twiml_response(twiml.connect(call, call.other_number, call.our_number))


@twilio_webhook("twilio-bridge-notice", "Twilio: notice before connecting")
def bridge_notice(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Play the notice to the person whom <Dial> called, then connect the two phones."""
    call = lock_conversation(call_uuid, fields)
    if call is None:
        return twiml_response(twiml.hang_up())
    notice = speech.sentence("conversation_notice").text
    call.apply_locked(call_state(fields), notice=notice)
    return twiml_response(twiml.bridge_notice(call))


@twilio_webhook("twilio-bridge-done", "Twilio: end of a conversation")
def bridge_done(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Store how <Dial> ended and who hung up. Return what the first phone hears next.

    The first phone is the operator's in an outgoing call, and the caller's in an
    incoming call. A caller who does not reach the operator can leave a message.
    """
    call = lock_conversation(call_uuid, fields)
    if call is None:
        return twiml_response(twiml.hang_up())
    outcome = fields.get("DialCallStatus", "")[:20]
    first = call_state(fields)
    if outcome in Call.FINISHED:
        second = call_state(
            {
                "CallSid": fields.get("DialCallSid", ""),
                "CallStatus": outcome,
                "CallDuration": fields.get("DialCallDuration", ""),
                "ParentCallSid": first.sid,
            }
        )
        call.apply_locked(second)
    call.apply_locked(first)
    if outcome == Call.Status.COMPLETED:
        # If the first phone's call is still running, the second phone hung up.
        first_hung_up = first.status in Call.FINISHED
        is_operator = first_hung_up != call.is_inbound
        legs = Leg.objects.filter(call=call, hung_up_first=None)
        legs.update(hung_up_first=is_operator)
        return twiml_response(twiml.hang_up())
    if call.is_inbound:
        greeting = speech.greeting()
        hears_it = not call.is_finished
        # Twilio may send this request twice. Add the greeting only once.
        if hears_it and not call.notice.endswith(greeting.text):
            call.notice = f"{call.notice} {greeting.text}"
            call.save(update_fields=["notice"])
        return twiml_response(twiml.record(call, greeting))
    return twiml_response(twiml.say_and_hang_up("not_reached"))


# A replay could store a call that we deleted or refused.
@twilio_webhook("twilio-answer", "Twilio: incoming call", is_repeatable=False)
def answer(call_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    """Answer an incoming call. The Voice URL of our number points to this view."""
    sid = fields.get("CallSid", "")
    if not CALL_SID.fullmatch(sid):
        return twiml_response(twiml.hang_up())
    number = phone_numbers.caller_number(fields.get("From", ""))
    call = Call.objects.select_for_update().filter(sid=sid).first()
    if call is None:
        if is_blocked(number):
            return twiml_response(twiml.say_and_hang_up("not_accepted"))
        if has_reached_hourly_limit(number):
            return twiml_response(twiml.say_and_hang_up("try_later"))
        call = store_incoming_call(sid, number, fields)
    leg = call.leg if call.is_conversation else None
    notice = speech.sentence("conversation_notice") if leg else speech.greeting()
    call.apply_locked(call_state(fields), notice=notice.text)
    if leg:
        return twiml_response(twiml.connect(call, leg.number, call.our_number))
    return twiml_response(twiml.record(call, twiml.stored_notice(call, notice)))


def store_incoming_call(sid: str, number: str, fields: Mapping[str, Any]) -> Call:
    """Store an incoming call.

    The call is a conversation if ANSWER_FORWARD_TO names an active user with a verified
    phone. Otherwise, the call is a message.
    """
    phone = None
    if settings.ANSWER_FORWARD_TO:
        phones = OperatorPhone.verified().select_related("user")
        phone = phones.filter(
            user__username=settings.ANSWER_FORWARD_TO, user__is_active=True
        ).first()
    # Call and Leg are stored together: djtranscribe/webhooks/ledger.py runs each
    # webhook in a transaction.
    call, is_new = Call.objects.select_for_update().get_or_create(
        sid=sid,
        defaults={
            "direction": Call.Direction.INBOUND,
            "kind": Call.Kind.CONVERSATION if phone else Call.Kind.MESSAGE,
            "other_number": number,
            "our_number": fields.get("To", "")[:16],
            # Twilio answers the call when it gets our response to this webhook.
            "status": Call.Status.IN_PROGRESS,
            "answered_at": timezone.now(),
            "requested_by": phone.user if phone else None,
        },
    )
    if is_new and phone:
        Leg.objects.create(call=call, number=phone.number)
    return call


def is_blocked(number: str) -> bool:
    listed = DoNotCall.objects.filter(number=number, blocks_incoming=True)
    return listed.exists()


def has_reached_hourly_limit(number: str) -> bool:
    """Return whether this number has reached the limit MAX_ANSWERED_PER_CALLER_HOUR.

    All callers who withhold their number count as one caller.
    """
    taken = Call.objects.filter(
        direction=Call.Direction.INBOUND,
        other_number=number,
        created_at__gt=timezone.now() - HOUR,
    )
    return taken.count() >= settings.MAX_ANSWERED_PER_CALLER_HOUR


def lock_conversation(call_uuid: str, fields: Mapping[str, Any]) -> Call | None:
    call = lock_call(call_uuid, fields)
    return call if call and call.is_conversation else None
