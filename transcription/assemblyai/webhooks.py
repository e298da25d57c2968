"""AssemblyAI's webhook: not signed, so each of ours has a token, and its body is only
a nudge to go and ask. assemblyai.com/docs/deployment/webhooks

2xx within 10 seconds, or it comes again, ten times in about two minutes. A 4xx ends
that for good, so it is answered only to what can never become right.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from djtranscribe.webhooks.ledger import done, ignore, retry_later, webhook
from transcription.assemblyai.payloads import WEBHOOK_HEADER
from transcription.models import Transcript, webhook_token
from transcription.tasks import enqueue_once


def refusal(request: HttpRequest, about: str) -> str:
    given = request.headers.get(WEBHOOK_HEADER, "")
    # Old keys too: a job may outlive a change of SECRET_KEY.
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    tokens = [webhook_token(UUID(about), str(key)) for key in keys]
    if any(constant_time_compare(given, token) for token in tokens):
        return ""
    return f"its {WEBHOOK_HEADER} does not belong to this transcript."


def said(request: HttpRequest) -> dict[str, Any]:
    # A nudge needs no words: what the body claims is asked of AssemblyAI itself.
    return {}


@webhook("assemblyai", refusal, said)
def assemblyai_webhook(about: str, said: Mapping[str, Any]) -> HttpResponse:
    # Do not load the words: there may be tens of thousands.
    transcript = Transcript.objects.filter(uuid=about).only("status").first()
    if transcript is None:
        # The transcript was deleted: a retry is useless.
        return ignore("This transcript was deleted.")
    if transcript.status == Transcript.Status.SUBMITTING:
        # The job's id is not stored yet, so we could not ask for the result.
        return retry_later("The job is not known yet.")
    unfinished = Transcript.objects.unfinished().filter(pk=transcript.pk)
    if unfinished.update(next_attempt_at=timezone.now()):
        enqueue_once(transcript.pk)
    return done()
