"""Ask Twilio about one call, and store the answer, in case a webhook is lost."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from caller.models import Call, Recording, Tombstone
from caller.models.call_queries import next_check_time
from caller.models.next_check import next_price_check
from caller.twilio import client as twilio_client
from caller.twilio.client import NOTICE_SECONDS
from caller.twilio.connection import TIMEOUT_SECONDS
from caller.twilio.errors import NOT_FOUND, TwilioError
from caller.twilio.states import CallState

# A new call can be missing in Twilio's API for this long.
LISTING_DELAY = timedelta(minutes=2)
# How long we wait for Twilio's price and recordings after the end of a call.
LATE_DATA_PERIOD = timedelta(minutes=10)
# Accepted difference between Twilio's clock and ours. For example, a clock without
# summer time is an hour wrong.
MAX_CLOCK_ERROR = timedelta(minutes=90)
# Our request to place a call takes at most this long.
RECHECK_AFTER = timedelta(seconds=sum(TIMEOUT_SECONDS))


def ask_twilio(call: Call) -> None:
    """Get a call's state and recordings from Twilio, and store them.

    Raises TwilioError.
    """
    if call.sid:
        try:
            call.apply(twilio_client.fetch_call(call.sid))
        except TwilioError as error:
            is_new = timezone.now() < call.created_at + LISTING_DELAY
            if error.code != NOT_FOUND or is_new:
                raise
            mark_deleted_at_twilio(call)
            return
    elif call.is_finished:
        # Twilio has no call for this row, for example after a refused request. Do not
        # use find_at_twilio: it could find another row's call to the same number.
        if Call.objects.filter(pk=call.pk, sid=None).update(next_check_at=None):
            call.fail_leg(call.error)
    elif found := find_at_twilio(call):
        call.apply(found)
    elif timezone.now() > call.created_at + LISTING_DELAY:
        mark_not_listed(call)
    if call.sid and call.is_conversation:
        ask_for_other_phone(call)
    if call.sid and call.is_finished:
        listed = twilio_client.list_recordings(call.sid)
        for state in listed:
            Recording.record(state, call)
        is_all = all(state.status in Recording.FINISHED for state in listed)
        if is_all and is_long_over(call):
            stop_checking(call)


def find_at_twilio(call: Call) -> CallState | None:
    """Find our call in Twilio's list, if Twilio's answer with the SID was lost.

    First choice: the call closest in time to our request, at most LISTING_DELAY apart.
    Second choice, because our clock may be wrong: the newest call, at most
    MAX_CLOCK_ERROR apart. Return None if there is neither. Raises TwilioError.
    """
    asked = call.leg.number if call.is_conversation else call.other_number
    listed = twilio_client.list_calls(asked)
    sids = [state.sid for state in listed]
    known = set(Call.objects.filter(sid__in=sids).values_list("sid", flat=True))
    known |= Tombstone.objects.sids(sids)
    # A call with a parent was made by <Dial>.
    differences = {
        state: abs(state.created_at - call.created_at)
        for state in listed
        if state.created_at and state.sid not in known and not state.parent_sid
    }
    near = [state for state, gap in differences.items() if gap <= LISTING_DELAY]
    if near:
        return min(near, key=differences.__getitem__)
    far = (state for state, gap in differences.items() if gap <= MAX_CLOCK_ERROR)
    return next(far, None)


def mark_not_listed(call: Call) -> None:
    """Store that Twilio's list of calls does not contain this call.

    - First check: set `missed_at` and plan the second check. Perhaps our clock was set
      forward, so that the call looks old although our request to place the call is
      still running.
    - Second check, at least RECHECK_AFTER later: set the call to FAILED.
    - If the call is older than MAX_CLOCK_ERROR: set it to FAILED at the first check.
    """
    now = timezone.now()
    mine = Call.objects.filter(pk=call.pk, sid=None)
    # If `missed_at` is in the future, our clock was set back after the first check. We
    # cannot tell how long ago that check was, so this check counts as the second one.
    is_second_check = Q(missed_at__lte=now - RECHECK_AFTER) | Q(missed_at__gt=now)
    is_old = Q(created_at__lt=now - MAX_CLOCK_ERROR)
    error = (
        "Twilio's list of calls does not have this call: nothing was dialled. It is "
        "safe to dial again."
    )
    given_up = mine.filter(is_second_check | is_old).update(
        status=Call.Status.FAILED, error=error, next_check_at=None
    )
    if given_up:
        call.fail_leg(error)
    else:
        first_check = mine.filter(missed_at=None)
        first_check.update(missed_at=now, next_check_at=next_check_time())


def mark_deleted_at_twilio(call: Call) -> None:
    """Stop checking this call, because it was deleted at Twilio.

    An unfinished call or leg (the operator's phone) becomes failed.
    """
    error = "This call was deleted at Twilio before we learned how it ended."
    mine = Call.objects.filter(pk=call.pk)
    mine.unfinished().update(status=Call.Status.FAILED, error=error)
    call.fail_leg(error)
    mine.update(next_check_at=None)


def ask_for_other_phone(call: Call) -> None:
    """Get the state of the phone that <Dial> has called, and store it.

    Raises TwilioError.
    """
    child = twilio_client.fetch_child(call.sid or "")
    if child:
        call.apply(child)
    elif call.leg.is_finished and not call.is_inbound:
        mark_not_connected(call)


def mark_not_connected(call: Call) -> None:
    """Store that the other party was not called.

    Use this only if the call to the operator's phone has ended and <Dial> made no call.
    If `call` is unfinished, its status becomes FAILED. If the operator pressed no key,
    `Call.follow_leg` has already set the status to CANCELED. Later checks only ask for
    a missing price.
    """
    mine = Call.objects.filter(pk=call.pk)
    mine.unfinished().update(
        status=Call.Status.FAILED,
        error="The operator pressed a key, but Twilio did not call this number. "
        "Perhaps the operator hung up during the notice. If not, check in the Twilio "
        "console whether the account may call this number.",
    )
    mine.update(next_check_at=next_price_check(call))


def is_long_over(call: Call) -> bool:
    """Return whether the call ended more than LATE_DATA_PERIOD ago."""
    ended_at = call.ended_at
    if not ended_at or ended_at < call.created_at:
        # The end is unknown, or wrong because Twilio's clock is behind ours. Assume the
        # longest possible call.
        longest = settings.RECORDING_MAX_SECONDS
        if call.is_conversation:
            longest = settings.CONVERSATION_MAX_SECONDS
        longest += NOTICE_SECONDS
        ended_at = call.created_at + timedelta(seconds=longest)
    return timezone.now() > ended_at + LATE_DATA_PERIOD


def stop_checking(call: Call) -> None:
    """Stop checking this call, because it ended long ago (is_long_over).

    Unfinished recordings become DELETED, because Twilio's list does not have them. An
    unfinished Leg (the operator's phone) becomes FAILED.
    """
    call.recordings.unfinished().update(status=Recording.Status.DELETED)
    call.fail_leg("Twilio did not report how the call to this phone ended.")
    Call.objects.filter(pk=call.pk).update(next_check_at=None)
