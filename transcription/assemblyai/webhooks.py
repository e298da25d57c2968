"""AssemblyAI's webhook. It is not signed, so each transcript has its own token.

The body is not read: we ask the API for the result. Without a 2xx within 10 seconds,
AssemblyAI retries ten times in about two minutes. A 4xx ends the retries, so we send a
4xx only if a retry is useless. assemblyai.com/docs/deployment/webhooks
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from djtranscribe.webhooks.ledger import ignore, no_content, retry_later, webhook
from transcription.assemblyai.payloads import WEBHOOK_HEADER
from transcription.models import Transcript, webhook_token
from transcription.tasks import enqueue_once


def token_fault(request: HttpRequest, transcript_uuid: str) -> str:
    given = request.headers.get(WEBHOOK_HEADER, "")
    # Also accept tokens of old SECRET_KEYs, as the key may have changed during the job.
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    tokens = [webhook_token(UUID(transcript_uuid), str(key)) for key in keys]
    if any(constant_time_compare(given, token) for token in tokens):
        return ""
    return f"its {WEBHOOK_HEADER} does not belong to this transcript."


def no_fields(request: HttpRequest) -> dict[str, Any]:
    return {}


@webhook("assemblyai", "AssemblyAI: end of a job", token_fault, no_fields)
def assemblyai_webhook(transcript_uuid: str, fields: Mapping[str, Any]) -> HttpResponse:
    # Do not load `words`: a transcript may have tens of thousands of words.
    rows = Transcript.objects.filter(uuid=transcript_uuid)
    transcript = rows.only("status", "priority").first()
    if transcript is None:
        # The transcript was deleted, so a retry is useless.
        return ignore("This transcript was deleted.")
    if transcript.status == Transcript.Status.SUBMITTING:
        # We have not stored the job's id yet, so we cannot ask for the result.
        return retry_later("The job is not known yet.")
    now = timezone.now()
    unfinished = Transcript.objects.unfinished().filter(pk=transcript.pk)
    # Do not update a row that is already due and not leased, because a worker can take
    # it now. If a worker's clock is behind our clock, `now` would be in the future for
    # this worker, so the worker would not take the row.
    waiting = Q(lease=None, next_attempt_at__lte=now)
    if unfinished.exclude(waiting).update(next_attempt_at=now):
        enqueue_once(transcript.pk, transcript.priority)
    return no_content()
