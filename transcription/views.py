from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from caller.call_rows import rows_of
from caller.models import Call, Contact
from caller.views import plain
from djtranscribe.adminsite.read_only import is_key
from djtranscribe.models import Access
from transcription.exports import formats as exports
from transcription.exports.fonts import MissingFont
from transcription.models import Export, Transcript, Vocabulary
from transcription.reading import sent_from, state_of
from transcription.review.page import turns_on_page
from transcription.search import query as search
from transcription.search.notes import matching_notes
from transcription.search.operators import BadOperator
from transcription.search.snippets import hits
from transcription.tasks import enqueue_once, start_again

HITS_ON_A_PAGE = 20
# A search with words shows at most this many notes. A search with only operators shows
# at most this many calls without a transcript.
MOST_OTHERS = 10
# A search looks for calls without a transcript only among this many calls: the newest
# that match its operators.
NEWEST_CALLS = 500
# The page of a download polls once a second. After this many polls, the page says that
# the download did not start.
POLLS_TO_BEGIN = 30


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def search_page(request: HttpRequest) -> HttpResponse:
    typed = request.GET.get("q", "")[: search.MAX_LENGTH].replace("\0", "")
    query = search.parse(typed)
    keys: list[int] = []
    others: dict[str, Any] = {}
    is_too_frequent, wrong = False, ""
    try:
        # `ranked` returns a list of at most search.RANKED keys, so the pages below need
        # no COUNT query.
        keys = search.ranked(query) if query else []
        others = besides(query, request.user)
    except search.TooFrequent:
        is_too_frequent = True
    except BadOperator as error:
        wrong = str(error)
    page = Paginator(keys, HITS_ON_A_PAGE).get_page(request.GET.get("page"))
    transcripts = Transcript.objects.select_related("recording__call").named()
    transcripts = transcripts.defer(*Transcript.HEAVY)
    if not query.wanted:
        transcripts = transcripts.defer("words")
    rows = transcripts.in_bulk(list(page.object_list))
    Access.objects.note(request.user, Access.Action.READ, rows.values())
    context = {
        "typed": typed,
        "query": query,
        "page": page,
        "found": len(keys),
        "is_too_frequent": is_too_frequent,
        "wrong": wrong,
        "is_cut": len(keys) == search.RANKED,
        # Skip transcripts that have been deleted in the meantime.
        "hits": hits([rows[pk] for pk in page.object_list if pk in rows], query),
        **others,
    }
    return render(request, "transcription/search.html", context)


def besides(query: search.Query, user: Any) -> dict[str, Any]:
    """Return the results of a search that are not transcripts, as template context.

    A search with words finds notes. A search without words, but with operators, finds
    calls without a transcript. Raises BadOperator.
    """
    if not query or not user.has_perm("caller.view_call"):
        return {}
    if query.wanted:
        return {"notes": matching_notes(query)[:MOST_OTHERS]}
    # Look only at the newest of the calls that match. Otherwise, if nearly all calls
    # have a transcript, the database would read all calls to find a few without one.
    found = query.narrow(Call.objects.all(), "").values_list("pk", flat=True)
    newest = list(found[:NEWEST_CALLS])
    calls = Call.objects.named().filter(pk__in=newest, recordings__transcripts=None)
    return {"rows": rows_of(calls.select_related("requested_by")[:MOST_OTHERS])}


@require_POST
@permission_required("transcription.add_transcript", raise_exception=True)
def retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Restart a failed transcript at the step that failed."""
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
        return plain("This keyword list does not exist, or it was deleted.", 400)
    return redirect(sent_from(request, start_again(transcript.recording, chosen)[0]))


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def export(request: HttpRequest, uuid: UUID, extension: str) -> HttpResponse:
    """Export one transcript. Options: ?times=1, ?speakers=1, ?version=both."""
    try:
        return file_of(request, uuid, extension)
    except (MissingFont, exports.OneVersionOnly) as error:
        return plain(str(error), 422)


def file_of(request: HttpRequest, uuid: UUID, extension: str) -> HttpResponse:
    """Return the file as a response. Raises Http404, MissingFont, OneVersionOnly."""
    kind = exports.FORMATS.get(extension)
    if kind is None:
        raise Http404("There is no such format.")
    transcripts = Transcript.objects.select_related("recording__call").named()
    transcript = get_object_or_404(transcripts, uuid=uuid)
    options = exports.Options(
        times=request.GET.get("times") == "1",
        speakers=request.GET.get("speakers") == "1",
        version=request.GET.get("version", ""),
    )
    content = kind.make(transcript, options)
    Access.objects.note(request.user, Access.Action.READ, [transcript])
    answer = HttpResponse(content, content_type=kind.content_type)
    name = exports.filename(transcript, extension)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def print_view(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show a page to print: number, date and notice of the call, turns with times."""
    transcripts = Transcript.objects.select_related("recording__call__requested_by")
    transcript = get_object_or_404(transcripts, uuid=uuid)
    Access.objects.note(request.user, Access.Action.READ, [transcript])
    call = transcript.recording.call
    context = {
        "transcript": transcript,
        "recording": transcript.recording,
        "call": call,
        "contact": Contact.objects.of(call.other_number) if call else None,
        "state": state_of(transcript),
        "turns": turns_on_page(transcript),
    }
    return render(request, "transcription/print.html", context)


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def export_progress(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the progress of a bulk export of this user. The page polls every second.

    `asked` counts the polls, so that the page stops polling if no download begins.
    """
    row = Export.objects.filter(uuid=uuid, user=request.user.pk).first()
    typed = request.GET.get("asked", "")
    asked = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 5 else 0
    context = {"row": row, "asked": asked + 1, "never_began": asked >= POLLS_TO_BEGIN}
    return render(request, "transcription/_export_progress.html", context)
