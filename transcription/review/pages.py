"""Review pages: history, comparison and accuracy; forms to name speakers and verify."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from djtranscribe.digits import whole_number
from djtranscribe.models import Access
from transcription.models import Transcript
from transcription.review import accuracy, editing
from transcription.review.carry_over import unplaced_changes
from transcription.review.history import history_of, mark_differences
from transcription.review.mistakes import current_mistakes
from transcription.review.rules import Conflict, Refused
from transcription.review.turns import may_correct
from transcription.review.views import get_transcript
from transcription.viewer import source_page

# The page "Accuracy" lists at most this many mistakes, the most frequent ones.
MISTAKES = 15


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def history(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the revisions, as a part of the transcript's page or as a separate page."""
    transcript = get_transcript(uuid)
    Access.objects.log(request.user, Access.Action.READ, [transcript])
    is_part = request.headers.get("X-Requested-With") == "fetch"
    context = {
        "transcript": transcript,
        "entries": history_of(transcript),
        # Show the buttons Undo and Redo only on the transcript's page.
        "may_correct": is_part and may_correct(request.user, transcript),
    }
    template = "_history.html" if is_part else "history.html"
    return render(request, f"transcription/{template}", context)


def seen_revision(request: HttpRequest) -> int:
    """Return the revision that the page with the form shows, or -1 if it is missing."""
    seen = whole_number(request.POST.get("revision", ""), 18)
    return -1 if seen is None else seen


@require_POST
@permission_required(
    ["transcription.view_transcript", "transcription.correct_transcript"],
    raise_exception=True,
)
def speakers(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Save the names of all speakers. The fields of the form:

    - speaker, name: each speaker's name in the original words, and the new name.
    - swap: if set, two speakers get each other's name.
    - revision: the revision that the page shows. If the names have changed since this
      revision, nothing is saved.
    """
    transcript = get_transcript(uuid)
    asked, given = request.POST.getlist("speaker"), request.POST.getlist("name")
    if request.POST.get("swap") and len(given) == 2:
        given.reverse()
    try:
        editing.name_speakers(
            transcript,
            request.user,
            dict(zip(asked, given, strict=False)),
            seen_revision(request),
        )
    except (Refused, Conflict) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The names of the speakers were saved.")
    return redirect(source_page(request, transcript))


@require_POST
@permission_required(
    ["transcription.view_transcript", "transcription.verify_transcript"],
    raise_exception=True,
)
def set_verified(request: HttpRequest, uuid: UUID, is_verified: bool) -> HttpResponse:
    """Verify a transcript, or reopen it.

    `revision` in the form is the revision that the page shows. If there is a later
    revision, the transcript is not verified.
    """
    transcript = get_transcript(uuid)
    try:
        if is_verified:
            editing.verify(transcript, request.user, seen_revision(request))
        else:
            editing.reopen(transcript, request.user)
    except (Refused, Conflict) as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            "Verified. The text is locked until somebody reopens it."
            if is_verified
            else "Reopened. The text can be corrected again.",
        )
    return redirect(source_page(request, transcript))


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def compare(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show this transcript beside another transcript of the same recording.

    `with` in the URL is the UUID of the other transcript, which must be completed. By
    default, the other transcript is the newest completed one.
    """
    rows = Transcript.objects.select_related("recording__call", "vocabulary", "score")
    rows = rows.defer("words", *Transcript.LARGE_COLUMNS)
    new = get_object_or_404(rows, uuid=uuid)
    done = rows.filter(recording=new.recording_id, status=Transcript.Status.COMPLETED)
    others = list(done.exclude(pk=new.pk).order_by("-pk"))
    typed = request.GET.get("with", "")
    chosen = [each for each in others if str(each.uuid) == typed]
    old = next(iter(chosen or others), None)
    Access.objects.log(request.user, Access.Action.READ, [new, *filter(None, [old])])
    context = {
        "new": new,
        "old": old,
        "others": others,
        "scores": [getattr(each, "score", None) for each in (old, new)],
        "differences": mark_differences(old.uncorrected_text, new.uncorrected_text)
        if old
        else "",
        "left_open": unplaced_changes(new),
    }
    return render(request, "transcription/compare.html", context)


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def accuracy_page(request: HttpRequest) -> HttpResponse:
    """Show how correct the transcripts are, by keyword list and by month."""
    lines = accuracy.lines()
    shares = [share for line in lines for _, share, _ in line.months]
    context = {
        "groups": accuracy.groups(),
        "lines": lines,
        "top": accuracy.y_axis_limit(shares),
        "width": accuracy.WIDTH,
        "height": accuracy.HEIGHT,
        "months": sorted({month for line in lines for month, *_ in line.months}),
        "mistakes": current_mistakes()[:MISTAKES],
    }
    return render(request, "transcription/accuracy.html", context)
