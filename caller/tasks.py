"""Tasks for calls: check a call at Twilio, and hang up. `sweep` queues due checks."""

import logging

from django.utils import timezone
from django_tasks import task

from caller.call_check import ask_twilio
from caller.models import Call
from caller.twilio import client as twilio_client
from caller.twilio.errors import TwilioError
from djtranscribe.models import VendorPause
from djtranscribe.vendors.errors import VendorError

logger = logging.getLogger(__name__)


@task()
def check_call(call_pk: int) -> None:
    """Ask Twilio about a call, in case a webhook was lost.

    Do nothing if the call is not due any more: this task may be queued twice. After a
    failed request, `sweep` queues a new check when `next_check_at` has passed.
    """
    call = Call.objects.claim_check(call_pk)
    if call is None:
        return
    try:
        with VendorPause.objects.guard_request(TwilioError.vendor):
            ask_twilio(call)
    except VendorError as error:
        logger.warning("call=%s check=failed code=%s", call.uuid, error.code)
    if call.ends_for_voicemail and not call.is_finished:
        # Usually a webhook from Twilio queues `hang_up`. The webhook or the queued task
        # may have been lost.
        hang_up.enqueue(call.pk)


@task()
def hang_up(call_pk: int) -> None:
    """End a call that an answering machine has answered.

    If the request fails, the next `check_call` queues this task again.
    """
    call = Call.objects.unfinished().filter(pk=call_pk).exclude(sid=None).first()
    if call is None:
        return
    try:
        with VendorPause.objects.guard_request(TwilioError.vendor):
            twilio_client.hang_up(call.sid or "")
    except VendorError as error:
        logger.warning("call=%s hang_up=failed code=%s", call.uuid, error.code)


def enqueue_check(call: Call) -> None:
    """Queue a check that an operator asked for."""
    Call.objects.filter(pk=call.pk).update(next_check_at=timezone.now())
    check_call.enqueue(call.pk)


def is_due() -> bool:
    return Call.objects.due(timezone.now()).exists()


def sweep(limit: int = 200) -> int:
    """Queue a check for calls that are due, at most `limit`. Return how many.

    A call stays due until its check begins, so it may be queued several times.
    """
    due = Call.objects.due(timezone.now()).order_by("next_check_at")
    calls = list(due.values_list("pk", flat=True)[:limit])
    for call_pk in calls:
        check_call.enqueue(call_pk)
    return len(calls)
