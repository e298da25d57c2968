from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from caller.views import plain
from djtranscribe.models import Access
from transcription.exports import formats as exports
from transcription.exports.fonts import MissingFont
from transcription.models import Export, Transcript
from transcription.search import query as search
from transcription.search.snippets import hit
from transcription.tasks import enqueue_once

HITS_ON_A_PAGE = 20
# Seconds in which a download must begin: its page polls once a second.
POLLS_TO_BEGIN = 30


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def search_page(request: HttpRequest) -> HttpResponse:
    typed = request.GET.get("q", "")[: search.MAX_LENGTH].replace("\0", "")
    query = search.parse(typed)
    keys: list[int] = []
    is_too_frequent = False
    try:
        # At most search.RANKED of them: nothing is counted by the database.
        keys = search.ranked(query) if query else []
    except search.TooFrequent:
        is_too_frequent = True
    page = Paginator(keys, HITS_ON_A_PAGE).get_page(request.GET.get("page"))
    transcripts = Transcript.objects.select_related("recording__call").defer(
        *Transcript.HEAVY
    )
    rows = transcripts.in_bulk(list(page.object_list))
    Access.objects.note(request.user, Access.Action.READ, rows.values())
    context = {
        "typed": typed,
        "query": query,
        "page": page,
        "found": len(keys),
        "is_too_frequent": is_too_frequent,
        "is_cut": len(keys) == search.RANKED,
        # Skip transcripts that were deleted meanwhile.
        "hits": [hit(rows[pk], query) for pk in page.object_list if pk in rows],
    }
    return render(request, "transcription/search.html", context)


@require_POST
@permission_required("transcription.add_transcript", raise_exception=True)
def retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Restart a failed transcript at the stage that failed."""
    transcripts = Transcript.objects.select_related("recording__call")
    transcript = get_object_or_404(transcripts, uuid=uuid)
    if transcript.retry():
        enqueue_once(transcript.pk)
    return redirect(transcript.recording.call or transcript)


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def export(request: HttpRequest, uuid: UUID, extension: str) -> HttpResponse:
    """Export one transcript. Options: ?times=1 and ?speakers=1."""
    try:
        return file_of(request, uuid, extension)
    except MissingFont as error:
        return plain(str(error), 422)


def file_of(request: HttpRequest, uuid: UUID, extension: str) -> HttpResponse:
    """Return the file as a response. Raises Http404 or MissingFont."""
    kind = exports.FORMATS.get(extension)
    if kind is None:
        raise Http404("There is no such format.")
    transcripts = Transcript.objects.select_related("recording__call")
    transcript = get_object_or_404(transcripts, uuid=uuid)
    options = exports.Options(
        times=request.GET.get("times") == "1",
        speakers=request.GET.get("speakers") == "1",
    )
    content = kind.make(transcript, options)
    Access.objects.note(request.user, Access.Action.READ, [transcript])
    answer = HttpResponse(content, content_type=kind.content_type)
    name = exports.filename(transcript, extension)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def export_progress(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The progress of the reader's own bulk export, polled every second by its page.

    `asked` counts the polls, so that a download that never began ends them.
    """
    row = Export.objects.filter(uuid=uuid, user=request.user.pk).first()
    typed = request.GET.get("asked", "")
    asked = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 5 else 0
    context = {"row": row, "asked": asked + 1, "never_began": asked >= POLLS_TO_BEGIN}
    return render(request, "transcription/_export_progress.html", context)
