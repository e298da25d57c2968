from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from djtranscribe.digits import is_key
from djtranscribe.responses import plain_text
from transcription.models import Transcript, Vocabulary
from transcription.tasks import AudioDeleted, enqueue_once, start_unless_running
from transcription.viewer import source_page


@require_POST
@permission_required("transcription.add_transcript", raise_exception=True)
def retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Restart a failed transcript."""
    transcripts = Transcript.objects.select_related("recording__call")
    transcript = get_object_or_404(transcripts, uuid=uuid)
    if transcript.retry():
        enqueue_once(transcript.pk)
    return redirect(transcript.recording.call or transcript)


@require_POST
@permission_required(
    ["transcription.view_transcript", "transcription.add_transcript"],
    raise_exception=True,
)
def transcribe_again(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Create another transcript of the same recording, with the chosen keyword list."""
    transcripts = Transcript.objects.select_related("recording__call")
    transcript = get_object_or_404(transcripts, uuid=uuid)
    typed = request.POST.get("vocabulary", "")
    chosen = Vocabulary.objects.filter(pk=typed).first() if is_key(typed) else None
    if typed and chosen is None:
        return plain_text("This keyword list does not exist, or it was deleted.", 400)
    try:
        started, is_new = start_unless_running(transcript.recording, chosen)
    except AudioDeleted:
        messages.error(
            request, "The audio was deleted: it cannot be transcribed again."
        )
        return redirect(source_page(request, transcript))
    if not is_new:
        messages.info(request, "This recording is being transcribed already.")
    return redirect(source_page(request, started))
