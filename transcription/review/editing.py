"""Save what people change in a transcript, as revisions (see models.py).

`save`, `undo`, `redo`, `name_speakers`, `verify` and `reopen` use one transaction each.
Each of them stores everything, or raises Refused or Conflict and stores nothing.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from djtranscribe.models import Access
from transcription.models import (
    Batch,
    Correction,
    Mistake,
    Notification,
    Original,
    Revision,
    Transcript,
)
from transcription.review import mistakes
from transcription.review.current import Change, live, text_of
from transcription.review.ranges import original_text, overlapping, overlaps, reading
from transcription.review.rules import (
    LONGEST_NAME,
    Conflict,
    Refused,
    checked,
    clean,
    refuse_cutting,
    refuse_later,
    refuse_newer_names,
    refuse_overwriting,
    refuse_verified,
)
from transcription.review.scores import score_recording
from transcription.words import original_words, spoken

Kind = Revision.Kind
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

    started_from: the number of the revision that the author saw. If somebody else has
    changed the same words since then, Conflict is raised. Their changes of other words
    are kept.
    client_key: if a request with the same key is sent twice, it is saved only once.
    """
    with transaction.atomic():
        row = locked(transcript)
        if client_key and (saved := sent_before(row, client_key)):
            return saved
        refuse_verified(row)
        if not 0 <= started_from <= (row.revision or 0):
            raise Refused(f"This transcript has no revision {started_from}.")
        pieces, now = begun(row), live(row)
        changes = checked(changes, len(pieces))
        refuse_overwriting(row, author, started_from, overlapping(now, changes))
        refuse_cutting(changes, overlapping(now, changes))
        present = [reading(pieces, now, change) for change in changes]
        # A change that keeps the present text marks words as right. Do not check its
        # text: AssemblyAI may have written characters that a person may not type.
        texts = [
            before if change.after == before else clean(change.after)
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
    return _switch(transcript, author, number, Kind.UNDO, client_key)


def redo(
    transcript: Transcript, author: Any, number: int, client_key: UUID | None = None
) -> Revision:
    """Redo an edit that was undone."""
    return _switch(transcript, author, number, Kind.REDO, client_key)


def _switch(
    transcript: Transcript,
    author: Any,
    number: int,
    kind: Revision.Kind,
    client_key: UUID | None,
) -> Revision:
    with transaction.atomic():
        row = locked(transcript)
        if client_key and (saved := sent_before(row, client_key)):
            return saved
        refuse_verified(row)
        target = row.revisions.filter(number=number, kind__in=EDITS).first()
        if target is None:
            raise Refused(f"There is no revision {number} to {kind}.")
        if target.is_undone == (kind == Kind.UNDO):
            raise Conflict(f"Revision {number} is {kind.label.lower()} already.")
        pieces, now = begun(row), live(row)
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
        mark_live(row)
        finish(row, pieces, now, author)
        return revision


def name_speakers(
    transcript: Transcript, author: Any, names: dict[str, str]
) -> Revision:
    """Save the names of all speakers as one revision.

    names: {AssemblyAI's name of a speaker: the new name}. A speaker without a new name
    gets AssemblyAI's name.
    """
    with transaction.atomic():
        row = locked(transcript)
        refuse_verified(row)
        pieces, now = begun(row), live(row)
        known = {speaker for _, _, speaker in row.original.turns if speaker}
        if unknown := names.keys() - known - {""}:
            raise Refused(f"Nobody here is called {sorted(unknown)[0][:LONGEST_NAME]}.")
        cleaned = {speaker: clean(name) for speaker, name in names.items()}
        if any(len(name) > LONGEST_NAME for name in cleaned.values()):
            raise Refused(f"A name has at most {LONGEST_NAME} characters.")
        revision = new_revision(row, author, Kind.SPEAKERS)
        revision.speakers = {speaker: name for speaker, name in cleaned.items() if name}
        revision.save(update_fields=["speakers"])
        finish(row, pieces, now, author)
        return revision


def last_to_undo(transcript: Transcript, author: Any) -> Revision | None:
    """Return the author's last edit that is not undone. Batches are not counted."""
    edits = transcript.revisions.filter(kind__in=EDITS, is_undone=False)
    return edits.filter(author=author, batch=None).order_by("number").last()


def last_to_redo(transcript: Transcript, author: Any) -> Revision | None:
    """Return the edit that the author's last undo has undone. Ignores batches."""
    undone = transcript.revisions.filter(kind=Kind.UNDO, target__is_undone=True)
    undone = undone.filter(author=author, target__batch=None)
    last = undone.select_related("target").order_by("number").last()
    return last.target if last else None


def verify(
    transcript: Transcript, author: Any, started_from: int | None = None
) -> Revision:
    """Mark the text as correct, and lock the transcript against changes.

    started_from: the number of the revision that the author saw. If there is a newer
    one, Conflict is raised. None: verify the text as it is now.
    """
    with transaction.atomic():
        row = locked(transcript)
        refuse_verified(row)
        if started_from is not None and started_from != (row.revision or 0):
            raise Conflict(
                "Not verified: somebody changed this transcript after you opened the "
                "page. Read it again."
            )
        begun(row)
        revision = new_revision(row, author, Kind.VERIFY)
        row.verified_at, row.verified_by = timezone.now(), author
        row.save(update_fields=["revision", "verified_at", "verified_by"])
        Access.objects.note(author, Access.Action.VERIFIED, [row])
        Notification.objects.write_down_review(row, Notification.Event.VERIFIED)
        score_recording(row.recording_id)
        return revision


def reopen(transcript: Transcript, author: Any) -> Revision:
    """Unlock a verified transcript."""
    with transaction.atomic():
        row = locked(transcript)
        if not row.verified_at:
            raise Conflict("This transcript is not verified.")
        revision = new_revision(row, author, Kind.REOPEN)
        row.verified_at = row.verified_by = None
        row.save(update_fields=["revision", "verified_at", "verified_by"])
        Access.objects.note(author, Access.Action.REOPENED, [row])
        score_recording(row.recording_id)
        return revision


# Steps that the functions above share


def locked(transcript: Transcript) -> Transcript:
    """Lock the row until the end of the transaction, and return the row.

    Raises Refused if the transcript is not completed.
    """
    rows = Transcript.objects.select_for_update()
    unused = ("words", "search_text", "request", "response")
    row = rows.defer(*unused).get(pk=transcript.pk)
    if row.status != Transcript.Status.COMPLETED:
        raise Refused("Only a completed transcript can be corrected.")
    return row


def sent_before(row: Transcript, client_key: UUID) -> Revision | None:
    return row.revisions.filter(client_key=client_key).first()


def begun(row: Transcript) -> list[str]:
    """Return Original.pieces_of(row). If no Original is stored, first store one."""
    if not row.revision:
        words = original_words(row)
        # If AssemblyAI sent a text without a list of words, estimate the times.
        words = words or spoken(row.as_heard, [], row.audio_seconds or 0)
        Original.keep(row, words)
    return Original.pieces_of(row)


def new_revision(
    row: Transcript,
    author: Any,
    kind: Revision.Kind,
    client_key: UUID | None = None,
    target: Revision | None = None,
    batch: Batch | None = None,
) -> Revision:
    """Store a revision, and set `row.revision` without saving the row.

    The calling code saves this column together with others, because each save makes
    SQLite write the whole row again.
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


def mark_live(row: Transcript) -> None:
    """Update `is_live` of all corrections after an undo or redo."""
    all_of_them = Correction.objects.filter(transcript=row)
    in_force = all_of_them.filter(revision__is_undone=False).order_by("pk")
    covering: list[Change] = []
    # From newest to oldest: an older correction that overlaps a newer one is not live.
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

    before: the corrections that were live before this revision.
    """
    changes = live(row)
    mistakes.count(mistakes_in(pieces, before), mistakes_in(pieces, changes))
    original = row.as_heard
    has_changed = any(each.after != original_text(pieces, each) for each in changes)
    text = text_of(pieces, changes) if has_changed else original
    fields = ["revision"]
    if text != row.text:
        row.text, row.original_text = text, original if has_changed else None
        fields += ["text", "original_text"]
    row.save(update_fields=fields)
    if author:
        Access.objects.note(author, Access.Action.CORRECTED, [row])
    Notification.objects.write_down_review(row, Notification.Event.CORRECTED)


def forget(row: Transcript) -> None:
    """Remove a transcript from the counts of mistakes, before the row is deleted."""
    if Original.objects.filter(transcript=row).exists():
        pieces = Original.pieces_of(row)
        mistakes.count(mistakes_in(pieces, live(row)), set())
        Mistake.objects.filter(transcripts=0).delete()


def mistakes_in(pieces: list[str], changes: list[Change]) -> set[tuple[str, str]]:
    pairs = ((original_text(pieces, each), each.after) for each in changes)
    return {pair for each in pairs if (pair := mistakes.pair_of(*each))}
