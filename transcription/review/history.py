"""Prepare the revisions of a transcript for its history page."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Prefetch
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from rapidfuzz.distance import Levenshtein

from transcription.models import Correction, Original, Revision, Transcript
from transcription.review.current import Change, live_changes
from transcription.review.ranges import current_text
from transcription.words import original_words, pieces_in

NEWEST = 200
SHOWN_OF_ONE = 20


class Entry(NamedTuple):
    """A revision on the history page.

    differences: HTML of the new speaker names, and of at most SHOWN_OF_ONE corrections.
    more: number of corrections that are not in `differences`.
    """

    revision: Revision
    differences: list[SafeString]
    more: int
    can_undo: bool
    can_redo: bool


def history_of(transcript: Transcript) -> list[Entry]:
    """Return at most NEWEST revisions, newest first. Makes two queries."""
    rows = transcript.revisions.select_related("author", "target").order_by("-number")
    corrections = Prefetch("corrections", Correction.objects.order_by("first"))
    return [_entry(row) for row in rows.prefetch_related(corrections)[:NEWEST]]


def _entry(revision: Revision) -> Entry:
    corrections = list(revision.corrections.all())
    is_edit = bool(corrections) or revision.speakers is not None
    names = (revision.speakers or {}).items()
    shown = corrections[:SHOWN_OF_ONE]
    return Entry(
        revision,
        [
            *(format_html("{} is {}", speaker, name) for speaker, name in names),
            *(difference(each.before, each.after) for each in shown),
        ],
        max(0, len(corrections) - SHOWN_OF_ONE),
        can_undo=is_edit and not revision.is_undone,
        can_redo=is_edit and revision.is_undone,
    )


def differences(transcript: Transcript, changes: list[Change]) -> list[SafeString]:
    """Return HTML for each change, with the old and the new words marked."""
    if not changes:
        return []
    # Without a revision, there is no Original.
    has_revision = transcript.revision is not None
    pieces = (
        Original.pieces_of(transcript)
        if has_revision
        else pieces_in(original_words(transcript))
    )
    now = live_changes(transcript) if has_revision else []
    return [difference(current_text(pieces, now, each), each.after) for each in changes]


def difference(before: str, after: str) -> SafeString:
    """Merge both texts into one HTML text, with <del> and <ins> at the differences."""
    if before == after:
        return format_html("{} <small>(checked)</small>", after)
    return mark_differences(before, after)


def mark_differences(before: str, after: str) -> SafeString:
    return format_html_join(" ", "{}", ((each,) for each in _parts(before, after)))


def _parts(before: str, after: str) -> Iterator[SafeString]:
    old, new = before.split(), after.split()
    blocks: Any = Levenshtein.opcodes(old, new).as_list()
    for is_equal, group in groupby(blocks, key=lambda block: block[0] == "equal"):
        ranges = list(group)
        was = " ".join(old[ranges[0][1] : ranges[-1][2]])
        now = " ".join(new[ranges[0][3] : ranges[-1][4]])
        if is_equal:
            yield format_html("{}", now)
            continue
        if was:
            yield format_html("<del>{}</del>", was)
        if now:
            yield format_html("<ins>{}</ins>", now)
