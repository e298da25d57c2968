"""Delivery of notifications about transcripts, by webhook and by e-mail.

Notifications do not use the queue of the transcripts. Each kind has its own thread
(djtranscribe/management/commands/worker.py), so that a receiver that hangs does not
delay transcripts. The Notification rows are the queue.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timezone as tz
from typing import Any

from django.db import Error
from django.utils import timezone

from djtranscribe import zones
from djtranscribe.models import zone_of
from djtranscribe.public_urls import public_url
from djtranscribe.vendors import email as outgoing_email
from djtranscribe.vendors.errors import VendorError, our_fault
from transcription.leases import MAX_KILLS, given_up, holding
from transcription.models import LeaseLost, Notification, Transcript
from transcription.notifications import webhook as outgoing_webhook

logger = logging.getLogger(__name__)

DELETED = "The transcript was deleted before this was sent."
NO_ADDRESS = "The operator is inactive or no longer has an e-mail address."


def deliver(kind: str, stopping: Callable[[], bool] = lambda: False) -> int:
    """Send all due notifications of this kind. Return the number of attempts."""
    tried = 0
    while kind in Notification.wanted() and not stopping():
        notification = Notification.objects.claim(kind)
        if notification is None:
            break
        with suppress(LeaseLost), holding(notification):
            attempt(notification)
        tried += 1
    return tried


def attempt(notification: Notification) -> None:
    """Send a notification outside of any transaction and store the outcome.

    Raises LeaseLost if another worker has claimed it in the meantime.
    """
    name = f"notification={notification.uuid} kind={notification.kind}"
    try:
        if notification.transcript is None:
            raise VendorError(DELETED, permanent=True)
        if notification.kills > MAX_KILLS:
            raise VendorError(given_up("sending this"), permanent=True)
        answer = SENDERS[notification.kind](notification, notification.transcript)
    except VendorError as error:
        logger.warning("%s attempt=%s code=%s", name, notification.attempts, error.code)
        if error.permanent:
            kept = notification.give_up(error.message)
        else:
            kept = notification.retry_later(error)
    except Error:
        raise
    except Exception as error:
        logger.exception("%s attempt=%s", name, notification.attempts)
        kept = notification.retry_later(our_fault(error))
    else:
        kept = notification.sent(answer)
        logger.info("%s attempt=%s sent", name, notification.attempts)
    if not kept:
        logger.warning("%s lease=lost", name)
        raise LeaseLost


def post(notification: Notification, transcript: Transcript) -> str:
    return outgoing_webhook.send(notification.uuid, message(notification, transcript))


def message(notification: Notification, transcript: Transcript) -> dict[str, Any]:
    """Return the body of a webhook. It is the same at every attempt."""
    call = transcript.recording.call
    return {
        "type": notification.event,
        "timestamp": notification.finished_at.astimezone(tz.utc).isoformat(),
        "data": {
            **notification.facts,
            "transcript_url": public_url(transcript.get_absolute_url()),
            "call_url": public_url(call.get_absolute_url()) if call else None,
        },
    }


def mail(notification: Notification, transcript: Transcript) -> str:
    call = transcript.recording.call
    operator = call.requested_by if call else None
    if call is None or operator is None or not (operator.is_active and operator.email):
        raise VendorError(NO_ADDRESS, permanent=True)
    if notification.event == Notification.Event.FAILED:
        outcome, reason = "could not be transcribed", notification.facts["error"]
        advice = "Open the call to retry, or ask a supervisor"
    else:
        silent = notification.facts["nobody_spoke"]
        outcome, reason = "was transcribed", "Nobody spoke." if silent else ""
        advice = "See the call"
    with timezone.override(zone_of(operator)):
        local = timezone.localtime(call.created_at)
        when = f"{local:%d %b %Y, %H:%M} {zones.label(local)}"
    lines = [
        f"Your call of {when} {outcome}.",
        reason,
        f"{advice}: {public_url(call.get_absolute_url())}",
    ]
    # Leave out the phone number and the transcript: e-mail is not confidential.
    body = "\n\n".join(filter(None, lines)) + "\n"
    return outgoing_email.send(
        notification.uuid, operator.email, f"A call {outcome}", body
    )


SENDERS: dict[str, Callable[[Notification, Transcript], str]] = {
    Notification.Kind.WEBHOOK: post,
    Notification.Kind.EMAIL: mail,
}
