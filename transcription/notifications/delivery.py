"""Delivery of notifications about transcripts, by webhook and by e-mail.

The Notification rows are the queue. The worker has a thread for each kind (see
djtranscribe/management/commands/worker.py). So a receiver that hangs does not delay
transcripts.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from django.db import Error

from djtranscribe.vendors import email as outgoing_email
from djtranscribe.vendors.errors import VendorError, internal_error
from transcription.leases import MAX_KILLS, hold_lease, killed_workers_message
from transcription.models import LeaseLost, Notification, Transcript
from transcription.notifications import webhook as outgoing_webhook
from transcription.notifications.content import email_text, message

logger = logging.getLogger(__name__)

DELETED = "The transcript was deleted before this was sent."
NO_ADDRESS = "The operator was deleted, is inactive or has no e-mail address."


def deliver(kind: str, stopping: Callable[[], bool] = lambda: False) -> int:
    """Send all due notifications of this kind. Return the number of attempts.

    Begin no further attempt when `stopping` returns True.
    """
    tried = 0
    while kind in Notification.enabled_kinds() and not stopping():
        notification = Notification.objects.claim(kind)
        if notification is None:
            break
        with suppress(LeaseLost), hold_lease(notification):
            attempt(notification)
        tried += 1
    return tried


def attempt(notification: Notification) -> None:
    """Send a notification and store the outcome. Do not call this in a transaction.

    Raises LeaseLost if the outcome was not stored. Also raises database errors.
    """
    name = f"notification={notification.uuid} kind={notification.kind}"
    try:
        if notification.transcript is None:
            raise VendorError(DELETED, permanent=True)
        if notification.kills > MAX_KILLS:
            raise VendorError(killed_workers_message("sending this"), permanent=True)
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
        kept = notification.retry_later(internal_error(error))
    else:
        kept = notification.mark_sent(answer)
        logger.info("%s attempt=%s sent", name, notification.attempts)
    if not kept:
        logger.warning("%s lease=lost", name)
        raise LeaseLost


def post(notification: Notification, transcript: Transcript) -> str:
    return outgoing_webhook.send(notification.uuid, message(notification, transcript))


def mail(notification: Notification, transcript: Transcript) -> str:
    call = transcript.recording.call
    operator = call.requested_by if call else None
    if call is None or operator is None or not (operator.is_active and operator.email):
        raise VendorError(NO_ADDRESS, permanent=True)
    subject, body = email_text(notification, call, operator)
    return outgoing_email.send(notification.uuid, operator.email, subject, body)


SENDERS: dict[str, Callable[[Notification, Transcript], str]] = {
    Notification.Kind.WEBHOOK: post,
    Notification.Kind.EMAIL: mail,
}
