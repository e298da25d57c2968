from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from caller.models import Contact
from djtranscribe.digits import is_key, whole_number
from djtranscribe.models import Access
from djtranscribe.responses import plain_text
from transcription.exports.content import OneVersionOnly, Options, filename
from transcription.exports.fonts import MissingFont
from transcription.exports.formats import FORMATS
from transcription.models import Export, Transcript
from transcription.review.turns import turns_on_page

# The page of a bulk export polls once a second. After this many polls without an
# Export row, the page says that the download did not start.
POLLS_TO_BEGIN = 30


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def export(request: HttpRequest, uuid: UUID, extension: str) -> HttpResponse:
    """Export one transcript.

    Options: ?times=1, ?speakers=1, and ?version= with a value of Version.
    """
    options = Options(
        times=request.GET.get("times") == "1",
        speakers=request.GET.get("speakers") == "1",
        version=request.GET.get("version", ""),
    )
    try:
        return file_of(request.user, uuid, extension, options)
    except (MissingFont, OneVersionOnly) as error:
        return plain_text(str(error), 422)


def file_of(user: Any, uuid: UUID, extension: str, options: Options) -> HttpResponse:
    """Return the file as a response. Log that this user read the transcript.

    Raises Http404, MissingFont, OneVersionOnly.
    """
    kind = FORMATS.get(extension)
    if kind is None:
        raise Http404("There is no such format.")
    transcripts = Transcript.objects.select_related(
        "recording__call"
    ).with_contact_name()
    transcript = get_object_or_404(transcripts, uuid=uuid)
    content = kind.make(transcript, options)
    Access.objects.log(user, Access.Action.READ, [transcript])
    answer = HttpResponse(content, content_type=kind.content_type)
    name = filename(transcript, extension)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def print_view(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show a page to print, with the number, the date, the notice and all turns."""
    transcripts = Transcript.objects.select_related("recording__call__requested_by")
    transcript = get_object_or_404(transcripts, uuid=uuid)
    Access.objects.log(request.user, Access.Action.READ, [transcript])
    call = transcript.recording.call
    context = {
        "transcript": transcript,
        "recording": transcript.recording,
        "call": call,
        "contact": Contact.objects.find_by_number(call.other_number) if call else None,
        "turns": turns_on_page(transcript),
    }
    return render(request, "transcription/print.html", context)


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def export_progress(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the progress of the page's newest download. The page polls every second.

    asked (parameter): the number of polls so far. If no download begins, the page stops
    polling after POLLS_TO_BEGIN polls.
    ended (parameter): the primary key of the Export of the page's previous download. If
    it is given, show only a newer Export.
    """
    downloads = Export.objects.filter(uuid=uuid, user=request.user.pk)
    typed = request.GET.get("ended", "")
    ended = typed if is_key(typed) else ""
    if ended:
        downloads = downloads.filter(pk__gt=ended)
    row = downloads.order_by("-pk").first()
    if row and (row.finished_at or row.is_interrupted):
        ended = str(row.pk)
    asked = whole_number(request.GET.get("asked", ""), 4) or 0
    context = {
        "row": row,
        "ended": ended,
        "asked": asked + 1,
        "never_began": asked >= POLLS_TO_BEGIN,
    }
    return render(request, "transcription/_export_progress.html", context)
