"""Views that save corrections from a transcript's page."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from transcription.models import Revision, Transcript
from transcription.review import editing
from transcription.review.current import Change
from transcription.review.history import differences
from transcription.review.replacing import find_replacements
from transcription.review.rules import Conflict, Refused
from transcription.review.turns import turns_in_ranges

# A preview shows at most this many occurrences.
SHOWN = 50
Kind = Revision.Kind


def revision_view(
    save: Callable[[HttpRequest, Transcript, dict[str, Any]], Revision],
) -> Callable[..., HttpResponse]:
    """Decorator: make a view from a function that saves a revision.

    Request (JSON): `revision` is the revision that the page shows.
    Response (JSON): the turns that have changed since this revision (`changes_since`).
    If the save is refused, `detail` is a sentence that says why.
    """

    @require_POST
    @permission_required(
        ["transcription.view_transcript", "transcription.correct_transcript"],
        raise_exception=True,
    )
    @wraps(save)
    def view(request: HttpRequest, uuid: UUID) -> HttpResponse:
        transcript = get_transcript(uuid)
        try:
            body = body_of(request)
            seen = integer(body, "revision")
            save(request, transcript, body)
        except Refused as error:
            return JsonResponse({"detail": str(error)}, status=400)
        except Conflict as error:
            answer: dict[str, Any] = {"detail": str(error)}
            if error.now:
                answer |= changes_since(transcript, seen)
            return JsonResponse(answer, status=409)
        return JsonResponse(changes_since(transcript, seen))

    return view


def get_transcript(uuid: UUID) -> Transcript:
    rows = Transcript.objects.defer("words", "text", *Transcript.LARGE_COLUMNS)
    return get_object_or_404(rows.select_related("recording__call"), uuid=uuid)


def changes_since(transcript: Transcript, seen: int) -> dict[str, Any]:
    """Return all changes after revision `seen`, also those by other people.

    seen: the number of the revision that the page shows now.
    `reload`: whether the page must reload, because somebody has named speakers.
    """
    transcript.refresh_from_db(fields=["revision"])
    later = transcript.revisions.filter(number__gt=seen)
    # An undo or redo has no corrections of its own. So use the corrections of its
    # target: the edit that was undone or redone.
    edits = later.values(edit=Coalesce("target", "pk"))
    ranges = transcript.corrections.filter(revision__in=edits)
    turns = turns_in_ranges(transcript, ranges.values_list("first", "last"))
    named = transcript.revisions.filter(pk__in=edits, kind=Kind.SPEAKERS)
    return {
        "revision": transcript.revision,
        "turns": [{**turn.data, "html": turn.html} for turn in turns],
        "reload": named.exists(),
    }


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object of the body. Raises Refused if it is not an object."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused("The body must be a JSON object.")
    return body


def integer(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
        raise Refused(f"{name} must be a whole number.")
    return value


def key_of(body: dict[str, Any]) -> UUID | None:
    key = body.get("key")
    try:
        return None if key is None else UUID(str(key))
    except ValueError:
        raise Refused("key must be a UUID.") from None


def changes_in(body: dict[str, Any]) -> list[Change]:
    changes = body.get("changes")
    if not isinstance(changes, list):
        raise Refused("changes must be a list.")
    result = []
    for each in changes:
        after = each.get("after") if isinstance(each, dict) else None
        if not isinstance(after, str):
            raise Refused("Each change needs first, last and after.")
        result.append(Change(integer(each, "first"), integer(each, "last"), after))
    return result


@revision_view
def correct(
    request: HttpRequest, transcript: Transcript, body: dict[str, Any]
) -> Revision:
    return editing.save(
        transcript,
        request.user,
        body["revision"],
        changes_in(body),
        client_key=key_of(body),
    )


@revision_view
def undo(
    request: HttpRequest, transcript: Transcript, body: dict[str, Any]
) -> Revision:
    """Undo a revision: `number` in the body, or the user's last edit."""
    number = number_of(body, editing.last_to_undo(transcript, request.user))
    return editing.undo(transcript, request.user, number, key_of(body))


@revision_view
def redo(
    request: HttpRequest, transcript: Transcript, body: dict[str, Any]
) -> Revision:
    """Redo a revision: `number` in the body, or the edit that the user undid last."""
    number = number_of(body, editing.last_to_redo(transcript, request.user))
    return editing.redo(transcript, request.user, number, key_of(body))


def number_of(body: dict[str, Any], last: Revision | None) -> int:
    if body.get("number") is not None:
        return integer(body, "number")
    if last is None:
        raise Refused(
            "You have no change to undo or redo. Changes by other people are in the "
            "list Revisions."
        )
    return last.number


@revision_view
def replace(
    request: HttpRequest, transcript: Transcript, body: dict[str, Any]
) -> Revision:
    """Replace a word or phrase everywhere, as one revision."""
    wanted, replacement = body.get("find"), body.get("replace")
    if not isinstance(wanted, str) or not isinstance(replacement, str):
        raise Refused("Write what to find, and what to replace it with.")
    changes = find_replacements(transcript, wanted, replacement)
    if not changes:
        raise Refused("There is nothing to replace in this transcript.")
    return editing.save(
        transcript,
        request.user,
        body["revision"],
        changes,
        kind=Kind.REPLACE,
        client_key=key_of(body),
    )


@require_POST
@permission_required(
    ["transcription.view_transcript", "transcription.correct_transcript"],
    raise_exception=True,
)
def preview(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show what `replace` would change. Uses POST to keep words out of logged URLs."""
    transcript = get_transcript(uuid)
    context: dict[str, Any] = {"refusal": "", "differences": []}
    try:
        changes = find_replacements(
            transcript,
            request.POST.get("find", "").replace("\0", ""),
            request.POST.get("replace", "").replace("\0", ""),
        )
        context["differences"] = differences(transcript, changes[:SHOWN])
        context["count"] = len(changes)
    except Refused as error:
        context["refusal"] = str(error)
    return render(request, "transcription/_preview.html", context)
