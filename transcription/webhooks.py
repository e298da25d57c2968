"""AssemblyAI's webhook: not signed, so each of ours has a token, and its body is only
a nudge to go and ask. assemblyai.com/docs/deployment/webhooks

2xx within 10 seconds, or it comes again, ten times in about two minutes. A 4xx ends
that for good, so it is answered only to what can never become right.
"""

import logging
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from transcription.jobs import WEBHOOK_HEADER
from transcription.models import Transcript, webhook_token
from transcription.tasks import announce

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_POST
def assemblyai_webhook(request: HttpRequest, uuid: UUID) -> HttpResponse:
    if not is_authentic(request, uuid):
        logger.warning("webhook=assemblyai transcript=%s refused", uuid)
        return text("Refused: not the token that this transcript was given.", 403)
    try:
        return nudge(uuid)
    except DatabaseError:
        logger.exception("webhook=assemblyai transcript=%s not stored", uuid)
        return text("The database is away. Come again.", 503)


def is_authentic(request: HttpRequest, uuid: UUID) -> bool:
    given = request.headers.get(WEBHOOK_HEADER, "")
    # Old keys too: a job may outlive a change of SECRET_KEY.
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(
        constant_time_compare(given, webhook_token(uuid, str(key))) for key in keys
    )


def nudge(uuid: UUID) -> HttpResponse:
    transcript = Transcript.objects.filter(uuid=uuid).first()
    if transcript is None:
        # Authentic, so it was ours and was deleted: nothing to come again for.
        return HttpResponse(status=204)
    if transcript.status == Transcript.Status.SUBMITTING:
        # The job's id is not stored yet, so we could not ask for the result.
        return text("The job is not known yet. Come again.", 503)
    unfinished = Transcript.objects.unfinished().filter(pk=transcript.pk)
    if unfinished.update(next_attempt_at=timezone.now()):
        announce(transcript.pk)
    return HttpResponse(status=204)


def text(message: str, status: int) -> HttpResponse:
    return HttpResponse(message, status=status, content_type="text/plain")
