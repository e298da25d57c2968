"""Base of all webhooks: authenticate a request, act, store the request, answer.

A request is stored as a WebhookDelivery, in the same transaction as the handler's
changes. If the database fails, nothing is stored and we ask the vendor to retry.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import TooManyFieldsSent
from django.db import Error, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from djtranscribe.database import prepared_statements
from djtranscribe.digits import whole_number
from djtranscribe.models import WebhookDelivery
from djtranscribe.responses import plain_text
from djtranscribe.statements import insert

logger = logging.getLogger(__name__)

# Refuse larger bodies. Usual bodies have a few hundred bytes, and some of Twilio's
# have a few thousand.
MAX_BODY_BYTES = 64 * 1024

Verdict = WebhookDelivery.Verdict
# Arguments: our UUID from the callback URL (empty if the URL has none), and the fields
# of the request. The status of the response must be 2xx, 4xx or 5xx: see `set_verdict`.
Handler = Callable[[str, Mapping[str, Any]], HttpResponse]

handlers: dict[str, Handler] = {}
# The kinds that may be replayed. Kinds of older versions are not in it.
repeatable_kinds: set[str] = set()


def webhook(
    kind: str,
    label: str,
    find_fault: Callable[[HttpRequest, str], str],
    read_fields: Callable[[HttpRequest], dict[str, Any]],
    is_repeatable: bool = True,
) -> Callable[[Handler], Callable[..., HttpResponse]]:
    """Return a decorator that turns a handler into a view.

    kind: the name under which the deliveries are stored.
    label: the kind's label in admin.
    find_fault: gets the request and our UUID from the callback URL. Returns why the
    request is refused, or "" if it is authentic.
    read_fields: returns the fields of the request.
    is_repeatable: whether a stored delivery may be replayed.
    """

    def decorate(handle: Handler) -> Callable[..., HttpResponse]:
        handlers[kind] = handle
        WebhookDelivery.LABELS[kind] = label
        if is_repeatable:
            repeatable_kinds.add(kind)

        @csrf_exempt
        @login_not_required
        @require_POST
        @functools.wraps(handle)
        def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            answer = receive(request, kwargs)
            answer["Cache-Control"] = "no-store, private"
            return answer

        def receive(request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponse:
            delivery, uuid = WebhookDelivery(kind=kind), ""
            try:
                try:
                    uuid = str(kwargs.get("uuid") or request.GET.get("call", ""))
                    uuid = uuid.replace("\0", "")[:36]
                    reason = too_large(request) or find_fault(request, uuid)
                except (TooManyFieldsSent, UnreadablePostError):
                    reason = "it has too many fields, or its body ended early."
                if reason:
                    return refuse(delivery, reason)
                delivery.about, delivery.body = uuid, read_fields(request)
                return accept(delivery)
            except Error as error:
                # Log only the error's type: its message may quote values of the row.
                logger.error(
                    "webhook=%s about=%s stored=no error=%s",
                    kind,
                    uuid,
                    type(error).__name__,
                )
                return retry_later("The database is not available.")

        view.is_webhook = True  # type: ignore[attr-defined]
        return view

    return decorate


def refuse(delivery: WebhookDelivery, reason: str) -> HttpResponse:
    logger.warning("webhook=%s refused=%r", delivery.kind, reason)
    answer = plain_text(f"Refused: {reason}", status=403)
    delivery.verdict, delivery.reason = Verdict.REFUSED, reason
    delivery.answer_status = answer.status_code
    WebhookDelivery.objects.store_refused(delivery)
    return answer


def accept(delivery: WebhookDelivery) -> HttpResponse:
    with prepared_statements(), transaction.atomic():
        answer = handlers[delivery.kind](delivery.about, delivery.fields())
        set_verdict(delivery, answer)
        insert(delivery)
    if delivery.verdict != Verdict.ACCEPTED:
        logger.info(
            "webhook=%s about=%s verdict=%s",
            delivery.kind,
            delivery.about,
            delivery.verdict,
        )
    return answer


def replay(delivery: WebhookDelivery) -> HttpResponse:
    """Run the handler of a stored delivery again.

    The delivery's kind must be in `repeatable_kinds`. Replaying is safe, because the
    states of calls and recordings only move forward.
    """
    with transaction.atomic():
        answer = handlers[delivery.kind](delivery.about, delivery.fields())
        set_verdict(delivery, answer)
        delivery.replayed_at = timezone.now()
        delivery.save()
    return answer


def set_verdict(delivery: WebhookDelivery, answer: HttpResponse) -> None:
    delivery.answer_status = answer.status_code
    verdicts = {2: Verdict.ACCEPTED, 4: Verdict.IGNORED, 5: Verdict.DEFERRED}
    delivery.verdict = verdicts[answer.status_code // 100]
    is_text = answer.headers.get("Content-Type", "").startswith("text/plain")
    delivery.reason = answer.content.decode() if is_text else ""
    if getattr(answer, "is_about_deleted", False):
        delivery.body = None


def too_large(request: HttpRequest) -> str:
    length = whole_number(request.META.get("CONTENT_LENGTH") or "0", 9)
    if length is None or length > MAX_BODY_BYTES:
        return f"the body is larger than {MAX_BODY_BYTES} bytes."
    return ""


def no_content() -> HttpResponse:
    return HttpResponse(status=204)


def ignore(reason: str, is_deleted: bool = False) -> HttpResponse:
    """Return a 404 for an authentic request about a row that we do not have.

    After a 404, AssemblyAI does not retry. Twilio retries a few times (RETRY in
    caller/twilio/callbacks.py).
    is_deleted: True if we deleted the row. Then the fields of the request are not
    stored.
    """
    answer = plain_text(reason, status=404)
    answer.is_about_deleted = is_deleted  # type: ignore[attr-defined]
    return answer


def retry_later(reason: str) -> HttpResponse:
    answer = plain_text(f"{reason} Please retry.", status=503)
    # Stop Django from logging this 503 as an error: we log it ourselves.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer
