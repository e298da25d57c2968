"""Steps that the functions in editing.py share: lock the row, store a revision.

Only editing.py calls these functions, inside its transactions.
"""

from bisect import bisect_left
from typing import Any
from uuid import UUID

from djtranscribe.models import Access
from transcription.models import (
    Batch,
    Correction,
    Notification,
    Original,
    Revision,
    Transcript,
)
from transcription.review import mistakes
from transcription.review.current import Change, live_changes, text_of
from transcription.review.ranges import original_text, overlaps
from transcription.review.rules import Refused
from transcription.words import original_words, words_of_text


def lock_transcript(transcript: Transcript) -> Transcript:
    """Lock the row until the end of the transaction, and return the row.

    Raises Refused if the transcript is not completed, or was just deleted.
    """
    rows = Transcript.objects.select_for_update().filter(pk=transcript.pk)
    row = rows.defer("words", "search_text", "request", "response").first()
    if row is None:
        raise Refused("This transcript was deleted.")
    if row.status != Transcript.Status.COMPLETED:
        raise Refused("Only a completed transcript can be corrected.")
    return row


def find_by_client_key(row: Transcript, client_key: UUID) -> Revision | None:
    """Return the revision of an earlier request with this key, or None."""
    return row.revisions.filter(client_key=client_key).first()


def ensure_original(row: Transcript) -> list[str]:
    """Return Original.pieces_of(row). If no Original is stored, first store one."""
    if not row.revision:
        words = original_words(row)
        # If AssemblyAI sent a text without a list of words, estimate the times.
        words = words or words_of_text(row.uncorrected_text, [], row.audio_seconds or 0)
        Original.store(row, words)
    return Original.pieces_of(row)


def new_revision(
    row: Transcript,
    author: Any,
    kind: Revision.Kind,
    client_key: UUID | None = None,
    target: Revision | None = None,
    batch: Batch | None = None,
) -> Revision:
    """Store a revision, and set `row.revision`.

    The caller must lock the row before, and save the row afterwards.
    """
    row.revision = (row.revision or 0) + 1
    return Revision.objects.create(
        transcript=row,
        number=row.revision,
        kind=kind,
        author=author,
        client_key=client_key,
        target=target,
        batch=batch,
    )


def update_is_live(row: Transcript) -> None:
    """Update `is_live` of all corrections after an undo or redo."""
    all_of_them = Correction.objects.filter(transcript=row)
    in_force = all_of_them.filter(revision__is_undone=False).order_by("pk")
    covering: list[Change] = []
    # Go from the newest correction to the oldest. A correction is live if it does not
    # overlap a newer live one.
    for first, last, pk in in_force.reverse().values_list("first", "last", "pk"):
        change = Change(first, last, "", pk)
        at = bisect_left(covering, change)
        if not any(
            overlaps(each, change) for each in covering[max(0, at - 1) : at + 1]
        ):
            covering.insert(at, change)
    keys = {each.correction for each in covering}
    was_live = set(all_of_them.filter(is_live=True).values_list("pk", flat=True))
    Correction.objects.filter(pk__in=was_live - keys).update(is_live=False)
    Correction.objects.filter(pk__in=keys - was_live).update(is_live=True)


def finish(
    row: Transcript, pieces: list[str], before: list[Change], author: Any
) -> None:
    """Store the text and its search index, count mistakes, log the access, and notify.

    before: the live corrections (Correction.is_live) before this revision.
    """
    changes = live_changes(row)
    mistakes.update_counts(
        mistakes.mistakes_in(pieces, before), mistakes.mistakes_in(pieces, changes)
    )
    original = row.uncorrected_text
    has_changed = any(each.after != original_text(pieces, each) for each in changes)
    text = text_of(pieces, changes) if has_changed else original
    fields = ["revision"]
    if text != row.text:
        row.text, row.original_text = text, original if has_changed else None
        fields += ["text", "original_text"]
    row.save(update_fields=fields)
    if author:
        Access.objects.log(author, Access.Action.CORRECTED, [row])
    Notification.objects.create_for_review(row, Notification.Event.CORRECTED)
