"""Save what people change in a transcript, as revisions (see review/models.py).

`save`, `undo`, `redo`, `name_speakers`, `verify` and `reopen` use one transaction each.
If a function raises Refused or Conflict, nothing is stored.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from djtranscribe.models import Access
from transcription.models import (
    Batch,
    Correction,
    Notification,
    Revision,
    Transcript,
)
from transcription.review.current import Change, live_changes
from transcription.review.ranges import current_text, overlapping
from transcription.review.revisions import (
    ensure_original,
    find_by_client_key,
    finish,
    lock_transcript,
    new_revision,
    update_is_live,
)
from transcription.review.rules import (
    MAX_NAME_LENGTH,
    Conflict,
    Refused,
    clean_text,
    refuse_later,
    refuse_newer_names,
    refuse_overwriting,
    refuse_partial_overlap,
    refuse_stale_names,
    refuse_verified,
    validate_changes,
)
from transcription.review.scores import score_recording

Kind = Revision.Kind
# The kinds of revisions that can be undone and redone.
EDITS = (Kind.EDIT, Kind.REPLACE, Kind.CARRIED, Kind.SPEAKERS)


def save(
    transcript: Transcript,
    author: Any,
    started_from: int,
    changes: Iterable[Change],
    *,
    kind: Revision.Kind = Kind.EDIT,
    client_key: UUID | None = None,
    batch: Batch | None = None,
) -> Revision:
    """Save changes as one revision.

    author: an account. None for a carry-over, or if the account was deleted.
    started_from: the number of the revision that the author saw. 0 if the transcript
    had no revision. Raises Conflict if the same words have a newer correction by
    somebody else.
    client_key: a repeated request has the same key. If the transcript has a revision
    with this key, return that revision and save nothing.
    """
    with transaction.atomic():
        row = lock_transcript(transcript)
        if client_key and (saved := find_by_client_key(row, client_key)):
            return saved
        refuse_verified(row)
        if not 0 <= started_from <= (row.revision or 0):
            raise Refused(f"This transcript has no revision {started_from}.")
        pieces, now = ensure_original(row), live_changes(row)
        changes = validate_changes(changes, len(pieces))
        refuse_overwriting(row, author, started_from, overlapping(now, changes))
        refuse_partial_overlap(changes, overlapping(now, changes))
        present = [current_text(pieces, now, change) for change in changes]
        # Do not check unchanged texts: AssemblyAI may have written characters that a
        # person may not type.
        texts = [
            before if change.after == before else clean_text(change.after)
            for change, before in zip(changes, present, strict=True)
        ]
        revision = new_revision(row, author, kind, client_key, batch=batch)
        covered = [each.correction for each in overlapping(now, changes)]
        Correction.objects.filter(pk__in=covered).update(is_live=False)
        Correction.objects.bulk_create(
            Correction(
                revision=revision,
                transcript=row,
                first=change.first,
                last=change.last,
                before=before,
                after=after,
            )
            for change, before, after in zip(changes, present, texts, strict=True)
        )
        finish(row, pieces, now, author)
        return revision


def undo(
    transcript: Transcript, author: Any, number: int, client_key: UUID | None = None
) -> Revision:
    """Undo the edit with this revision number. Later edits of other words stay."""
    return _undo_or_redo(transcript, author, number, Kind.UNDO, client_key)


def redo(
    transcript: Transcript, author: Any, number: int, client_key: UUID | None = None
) -> Revision:
    """Redo an edit that was undone."""
    return _undo_or_redo(transcript, author, number, Kind.REDO, client_key)


def _undo_or_redo(
    transcript: Transcript,
    author: Any,
    number: int,
    kind: Revision.Kind,
    client_key: UUID | None,
) -> Revision:
    with transaction.atomic():
        row = lock_transcript(transcript)
        if client_key and (saved := find_by_client_key(row, client_key)):
            return saved
        refuse_verified(row)
        target = row.revisions.filter(number=number, kind__in=EDITS).first()
        if target is None:
            raise Refused(f"There is no revision {number} to {kind}.")
        if target.is_undone == (kind == Kind.UNDO):
            state = "undone already" if target.is_undone else "not undone"
            raise Conflict(f"Revision {number} is {state}.")
        pieces, now = ensure_original(row), live_changes(row)
        ranges = [
            Change(*columns)
            for columns in target.corrections.order_by("first").values_list(
                "first", "last", "after", "pk"
            )
        ]
        refuse_later(target, ranges, overlapping(now, ranges))
        if target.kind == Kind.SPEAKERS:
            refuse_newer_names(row, target)
        target.is_undone = not target.is_undone
        target.save(update_fields=["is_undone"])
        revision = new_revision(row, author, kind, client_key, target)
        update_is_live(row)
        finish(row, pieces, now, author)
        return revision


def name_speakers(
    transcript: Transcript,
    author: Any,
    names: dict[str, str],
    started_from: int | None = None,
) -> Revision:
    """Save the names of all speakers as one revision.

    names: {a speaker's original name: the new name}. A speaker who is missing here gets
    the original name again.
    started_from: the number of the revision that the author saw, or None for no check.
    Raises Conflict if a later revision named the speakers.
    """
    with transaction.atomic():
        row = lock_transcript(transcript)
        refuse_verified(row)
        if started_from is not None:
            refuse_stale_names(row, started_from)
        pieces, now = ensure_original(row), live_changes(row)
        known = {speaker for _, _, speaker in row.original.turns if speaker}
        if unknown := names.keys() - known - {""}:
            raise Refused(
                f"No speaker is called {sorted(unknown)[0][:MAX_NAME_LENGTH]}."
            )
        cleaned = {speaker: clean_text(name) for speaker, name in names.items()}
        if any(len(name) > MAX_NAME_LENGTH for name in cleaned.values()):
            raise Refused(f"A name has at most {MAX_NAME_LENGTH} characters.")
        revision = new_revision(row, author, Kind.SPEAKERS)
        revision.speakers = {speaker: name for speaker, name in cleaned.items() if name}
        revision.save(update_fields=["speakers"])
        finish(row, pieces, now, author)
        return revision


def last_to_undo(transcript: Transcript, author: Any) -> Revision | None:
    """Return the author's last edit that is not undone, or None.

    Leave out edits of a Batch: a Batch is undone as a whole.
    """
    edits = transcript.revisions.filter(kind__in=EDITS, is_undone=False)
    return edits.filter(author=author, batch=None).order_by("number").last()


def last_to_redo(transcript: Transcript, author: Any) -> Revision | None:
    """Return the edit that the author undid last, or None.

    Leave out edits that were redone, and edits of a Batch.
    """
    undone = transcript.revisions.filter(kind=Kind.UNDO, target__is_undone=True)
    undone = undone.filter(author=author, target__batch=None)
    last = undone.select_related("target").order_by("number").last()
    return last.target if last else None


def verify(
    transcript: Transcript, author: Any, started_from: int | None = None
) -> Revision:
    """Mark the text as correct, and lock the transcript against changes.

    started_from: the number of the revision that the author saw, or None for no check.
    Raises Conflict if this is not the last revision.
    """
    with transaction.atomic():
        row = lock_transcript(transcript)
        refuse_verified(row)
        if started_from is not None and started_from != (row.revision or 0):
            raise Conflict(
                "Not verified: somebody changed this transcript after you opened the "
                "page. Read it again."
            )
        ensure_original(row)
        revision = new_revision(row, author, Kind.VERIFY)
        row.verified_at, row.verified_by = timezone.now(), author
        row.save(update_fields=["revision", "verified_at", "verified_by"])
        Access.objects.log(author, Access.Action.VERIFIED, [row])
        Notification.objects.create_for_review(row, Notification.Event.VERIFIED)
        score_recording(row.recording_id)
        return revision


def reopen(transcript: Transcript, author: Any) -> Revision:
    """Unlock a verified transcript."""
    with transaction.atomic():
        row = lock_transcript(transcript)
        if not row.verified_at:
            raise Conflict("This transcript is not verified.")
        revision = new_revision(row, author, Kind.REOPEN)
        row.verified_at = row.verified_by = None
        row.save(update_fields=["revision", "verified_at", "verified_by"])
        Access.objects.log(author, Access.Action.REOPENED, [row])
        score_recording(row.recording_id)
        return revision
