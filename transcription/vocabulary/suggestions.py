"""The page that suggests terms for keyword lists, based on people's corrections."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from djtranscribe.digits import is_key
from transcription.models import Batch, Mistake, Vocabulary
from transcription.review.mistakes import added_to_lists, suggestions
from transcription.review.rules import Refused
from transcription.search import finding
from transcription.search.query import parse
from transcription.vocabulary import past_transcripts

SHOWN, BATCHES = 50, 10
# Suggestions and batches show words of transcripts, so view_transcript is needed, too.
SEE_SUGGESTIONS = ["transcription.change_vocabulary", "transcription.view_transcript"]
CORRECT_TRANSCRIPTS = [*SEE_SUGGESTIONS, "transcription.correct_transcript"]


@require_safe
@permission_required(SEE_SUGGESTIONS, raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    context = {
        "rows": suggestions(SHOWN),
        "added": added_to_lists(SHOWN),
        "vocabularies": Vocabulary.objects.all(),
        **progress(),
    }
    return render(request, "transcription/suggestions.html", context)


def progress() -> dict[str, Any]:
    """Return the latest batches, and whether a batch is still running."""
    batches = list(Batch.objects.select_related("author")[:BATCHES])
    is_busy = any(batch.finished_at is None for batch in batches)
    return {"batches": batches, "is_busy": is_busy}


@require_safe
@permission_required(SEE_SUGGESTIONS, raise_exception=True)
def batches(request: HttpRequest) -> HttpResponse:
    """Show the progress of corrections in past transcripts.

    The page requests this again and again while a correction runs.
    """
    return render(request, "transcription/_batches.html", progress())


@require_POST
@permission_required(CORRECT_TRANSCRIPTS, raise_exception=True)
def apply(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue a Batch, which corrects a mistake in past transcripts."""
    row = get_object_or_404(Mistake, pk=pk)
    try:
        batch = past_transcripts.create_batch(
            row.heard, request.POST.get("text", ""), request.user
        )
    except finding.TooFrequent:
        messages.error(
            request,
            "Nothing was corrected: the search for these words took too long, because "
            "they are in very many transcripts. Correct the transcripts one by one.",
        )
    except Refused as error:
        messages.error(request, str(error))
    else:
        Mistake.objects.filter(pk=pk).update(added_at=None)
        messages.success(
            request,
            f"Correcting {batch.total} transcript{pluralize(batch.total)} in the "
            "background. The progress is shown below.",
        )
    return redirect("transcription:suggestions")


@require_POST
@permission_required(CORRECT_TRANSCRIPTS, raise_exception=True)
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the worker undo the corrections of a Batch in all transcripts."""
    past_transcripts.undo_batch(get_object_or_404(Batch, pk=pk), request.user)
    return redirect("transcription:suggestions")


@require_safe
@permission_required(SEE_SUGGESTIONS, raise_exception=True)
def occurrences(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how many transcripts contain this mistake now."""
    row = get_object_or_404(Mistake, pk=pk)
    query = parse(f'"{row.heard}"')
    found: int | None = 0
    try:
        found = len(finding.ranked_keys(query)) if query else 0
    except finding.TooFrequent:
        found = None
    context = {"row": row, "found": found, "more": found == finding.MAX_RESULTS}
    return render(request, "transcription/_occurrences.html", context)


@require_POST
@permission_required(SEE_SUGGESTIONS, raise_exception=True)
def accept_or_dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a suggestion to a keyword list, as a term or a spelling, or dismiss it."""
    row = get_object_or_404(Mistake, pk=pk)
    what = request.POST.get("what", "")
    if what == "dismiss":
        Mistake.objects.filter(pk=pk).update(is_settled=True, added_at=None)
        messages.success(request, f"“{row.heard}” is not suggested any more.")
        return redirect("transcription:suggestions")
    typed = request.POST.get("vocabulary", "")
    chosen = Vocabulary.objects.filter(pk=typed).first() if is_key(typed) else None
    if chosen is None:
        messages.error(request, "Choose a keyword list.")
        return redirect("transcription:suggestions")
    text = " ".join(request.POST.get("text", "").replace("\0", "").split())
    try:
        add(chosen, what, row.heard, text, request.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        Mistake.objects.filter(pk=pk).update(is_settled=True, added_at=timezone.now())
        messages.success(
            request,
            f"“{text}” was added to the list {chosen}. Transcribe a call again to see "
            "what this changes.",
        )
    return redirect("transcription:suggestions")


def add(vocabulary: Vocabulary, what: str, heard: str, text: str, author: Any) -> None:
    """Add a term or a spelling to a keyword list. Raises ValidationError.

    A spelling tells AssemblyAI to write `text` instead of `heard`.
    """
    column, line = "terms", text
    if what == "spelling":
        # In `custom_spellings`, commas separate the heard forms, and = ends them.
        heard = " ".join(re.sub("[,=]", " ", heard).split())
        column, line = "custom_spellings", f"{heard} = {text}"
    elif what != "term":
        raise ValidationError("Choose whether it is a term or a spelling.")
    if not text:
        raise ValidationError("The field “Write as” is empty: type the term.")
    with transaction.atomic():
        # Lock the row, because two people may add terms at the same time.
        row = Vocabulary.objects.select_for_update().get(pk=vocabulary.pk)
        setattr(row, column, "\n".join(filter(None, [getattr(row, column), line])))
        row.full_clean()
        row.save(author=author)
