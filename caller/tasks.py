import logging
from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from caller.models import Call, Recording, Tombstone
from caller.models.call_queries import next_check_time
from caller.models.checks import CLOCK_OFF
from caller.twilio import client as twilio_client
from caller.twilio.errors import NOT_FOUND, TwilioError
from caller.twilio.states import CallState
from djtranscribe.models import VendorPause
from djtranscribe.vendors.errors import VendorError

logger = logging.getLogger(__name__)

# For this long after our request, Twilio may not show the new call yet.
SETTLED_AFTER = timedelta(minutes=2)


@task()
def check_call(call_pk: int) -> None:
    """Ask Twilio for what no webhook has reported.

    If this task's message is lost from the queue, `sweep` queues the check again.
    """
    call = Call.objects.filter(pk=call_pk).first()
    if call is None:
        return
    try:
        with VendorPause.objects.asking(TwilioError.vendor):
            ask_twilio(call)
    except VendorError as error:
        logger.warning("call=%s check=failed code=%s", call.uuid, error.code)


@task()
def hang_up(call_pk: int) -> None:
    """End a call that an answering machine has answered.

    If this task's message is lost from the queue, the call goes on and is recorded.
    """
    call = Call.objects.unfinished().filter(pk=call_pk).exclude(sid=None).first()
    if call is None:
        return
    try:
        with VendorPause.objects.asking(TwilioError.vendor):
            twilio_client.hang_up(call.sid or "")
    except VendorError as error:
        logger.warning("call=%s hang_up=failed code=%s", call.uuid, error.code)


def ask_again(call: Call) -> None:
    """Queue a check that an operator asked for.

    Also schedule another check for later, in case the queue loses this check.
    """
    Call.objects.filter(pk=call.pk).update(next_check_at=next_check_time())
    check_call.enqueue(call.pk)


def is_due() -> bool:
    return Call.objects.due(timezone.now()).exists()


def sweep() -> int:
    """Queue a check for each call from claim_due. Return the number of calls."""
    calls = Call.objects.claim_due()
    for call_pk in calls:
        check_call.enqueue(call_pk)
    return len(calls)


def ask_twilio(call: Call) -> None:
    """Get a call's state and recordings from Twilio, and store them.

    Raises TwilioError.
    """
    if call.sid:
        try:
            call.apply(twilio_client.fetch_call(call.sid))
        except TwilioError as error:
            is_new = timezone.now() < call.created_at + SETTLED_AFTER
            if error.code != NOT_FOUND or is_new:
                raise
            call.mark_deleted_at_twilio()
            return
    elif call.is_finished:
        # Twilio has no call for this row: we did not ask, or Twilio refused. Do not
        # search Twilio's list, because a call found there belongs to another row.
        if Call.objects.filter(pk=call.pk, sid=None).update(next_check_at=None):
            call.fail_leg(call.error)
    elif found := find_at_twilio(call):
        call.apply(found)
    elif timezone.now() > call.created_at + SETTLED_AFTER:
        call.mark_not_listed()
    if call.sid and call.is_conversation:
        ask_for_other_phone(call)
    if call.sid and call.is_finished:
        listed = twilio_client.list_recordings(call.sid)
        for news in listed:
            Recording.record(news, call)
        is_all = all(news.status in Recording.FINISHED for news in listed)
        if is_all and call.is_long_over:
            call.stop_checking()


def ask_for_other_phone(call: Call) -> None:
    """Get the state of the phone that <Dial> has called, and store it.

    Raises TwilioError.
    """
    child = twilio_client.fetch_child(call.sid or "")
    if child:
        call.apply(child)
    elif call.leg.is_finished and not call.is_inbound:
        call.mark_not_connected()


def find_at_twilio(call: Call) -> CallState | None:
    """Find our call in Twilio's list, after Twilio's answer to our request was lost.

    Calls of other rows and calls deleted on this site are skipped. So are calls with a
    parent: <Dial> made them, not our request. Prefer the call that is closest in time
    to our request, at most SETTLED_AFTER away. If there is no such call, our clock may
    be wrong: take the newest call, at most CLOCK_OFF away.
    """
    asked = call.leg.number if call.is_conversation else call.other_number
    listed = twilio_client.list_calls(asked)
    sids = [state.sid for state in listed]
    known = set(Call.objects.filter(sid__in=sids).values_list("sid", flat=True))
    known |= Tombstone.objects.sids(sids)
    off = {
        state: abs(state.created_at - call.created_at)
        for state in listed
        if state.created_at and state.sid not in known and not state.parent_sid
    }
    at_the_moment = [state for state in off if off[state] <= SETTLED_AFTER]
    if at_the_moment:
        return min(at_the_moment, key=off.__getitem__)
    return next((state for state in off if off[state] <= CLOCK_OFF), None)
