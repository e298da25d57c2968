import logging

from django_tasks import task

from caller.models import Call
from caller.twilio_client import TwilioError

logger = logging.getLogger(__name__)


@task()
def check_call(call_pk: int) -> None:
    """Ask Twilio what its webhooks did not tell us. A lost message is sent again."""
    call = Call.objects.filter(pk=call_pk).first()
    if call is None:
        return
    try:
        call.ask_twilio()
    except TwilioError as error:
        logger.warning("call=%s check=failed code=%s", call.uuid, error.code)


def sweep() -> int:
    """Send every call of which we should have heard to be checked; how many."""
    calls = Call.objects.claim_due()
    for call_pk in calls:
        check_call.enqueue(call_pk)
    return len(calls)
