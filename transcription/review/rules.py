"""Check what people save in a transcript. The checks raise Refused or Conflict."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce

from transcription.models import Correction, Revision, Transcript
from transcription.review.current import Change
from transcription.review.ranges import is_covered, overlaps

# A correction has at most MAX_LENGTH characters. A save has at most MAX_CHANGES
# corrections.
MAX_LENGTH = 5_000
MAX_CHANGES = 2_000
TAG = re.compile(r"<[!/?a-zA-Z][^<>]*>")
# Invisible characters that change the order in which other letters are shown.
DIRECTION_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
MAX_NAME_LENGTH = 80


class Refused(Exception):
    """The request cannot be carried out. str() is a sentence for the user.

    The review page's requests and the API get HTTP 400. Forms show the sentence.
    """


class Conflict(Exception):
    """The transcript's state does not allow the request (HTTP 409).

    str() is a text for the user.
    now: other people's newer corrections that the request would replace. Empty for any
    other conflict, for example with a verified transcript.
    """

    def __init__(self, sentence: str, now: Sequence[Change] = ()) -> None:
        super().__init__(sentence)
        self.now = list(now)


def refuse_verified(row: Transcript) -> None:
    if row.verified_at:
        raise Conflict("This transcript is verified. Reopen it to change it.")


def validate_changes(changes: Iterable[Change], words: int) -> list[Change]:
    """Return the changes in the order of their words.

    words: the number of original words.
    Raises Refused for invalid or overlapping ranges, no changes, or too many changes.
    """
    result: list[Change] = []
    for change in sorted(changes, key=lambda each: each[:2]):
        is_all = words == 0 and change.first == change.last == 0
        if not is_all and not 0 <= change.first < change.last <= words:
            raise Refused(
                f"This transcript has {words} words; there is no range from "
                f"{change.first} to {change.last}."
            )
        if result and overlaps(result[-1], change):
            raise Refused("Two corrections in this request change the same words.")
        result.append(change)
    if not result:
        raise Refused("There is nothing to save.")
    if len(result) > MAX_CHANGES:
        raise Refused(f"Save at most {MAX_CHANGES:,} corrections at once.")
    return result


def clean_text(typed: str) -> str:
    """Return the typed text as one line, in Unicode form NFC. Raises Refused."""
    if len(typed) > MAX_LENGTH:
        raise Refused(
            f"A correction has at most {MAX_LENGTH:,} characters; this one has "
            f"{len(typed):,}."
        )
    text = unicodedata.normalize("NFC", " ".join(typed.split()))
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise Refused("Remove the control characters from this correction.")
    if DIRECTION_MARKS.search(text):
        raise Refused(
            "This correction has invisible marks that change the direction of "
            "writing. Type it without them."
        )
    if tag := TAG.search(text):
        raise Refused(f"A correction is plain text. Remove {tag[0][:40]}")
    return text


def refuse_overwriting(
    row: Transcript, author: Any, started_from: int, touched: list[Change]
) -> None:
    """Raise Conflict if the author would overwrite somebody else's newer correction.

    started_from: the number of the revision that the author saw. A correction is newer
    if it was made or redone in a revision after this one.
    touched: the live corrections that overlap the author's changes.
    """
    later = row.revisions.filter(number__gt=started_from).exclude(author=author)
    newer = Correction.objects.filter(
        pk__in=[each.correction for each in touched],
        revision__in=later.values(edit=Coalesce("target", "pk")),
    )
    theirs = set(newer.values_list("pk", flat=True))
    now = [each for each in touched if each.correction in theirs]
    if now:
        raise Conflict(
            "Not saved: somebody else has changed these words to "
            f"“{now[0].after}” in the meantime.",
            now,
        )


def refuse_partial_overlap(changes: list[Change], touched: list[Change]) -> None:
    """Raise Refused if a change covers only a part of an earlier correction."""
    for each in touched:
        if is_covered(each, changes):
            continue
        change = next(change for change in changes if overlaps(change, each))
        first = min(each.first, change.first)
        last = max(each.last, change.last)
        raise Refused(
            f"An earlier correction covers words {each.first} to {each.last}. Send one "
            f"correction for words {first} to {last}."
        )


def refuse_later(target: Revision, ranges: list[Change], touched: list[Change]) -> None:
    """Raise Conflict if another correction of the same words prevents an undo or redo.

    ranges: the corrections of `target`. touched: the live corrections that overlap with
    `ranges`. A correction in `touched` prevents the undo or redo in two cases:
    - It was made after `target`.
    - None of `ranges` contains all its words. Example: a redo of words 1 and 2, while a
      correction of words 2 and 3 is live.
    """
    keys = [each.correction for each in touched]
    cut = [each.correction for each in touched if not is_covered(each, ranges)]
    others = Revision.objects.filter(corrections__in=keys).exclude(pk=target.pk)
    in_the_way = others.filter(Q(number__gt=target.number) | Q(corrections__in=cut))
    if last := in_the_way.order_by("number").last():
        raise Conflict(
            f"These words were changed again in revision {last.number}. Undo that "
            "first."
        )


def refuse_stale_names(row: Transcript, started_from: int) -> None:
    """Raise Conflict if speaker names changed after revision `started_from`."""
    named = Q(kind=Revision.Kind.SPEAKERS) | Q(target__kind=Revision.Kind.SPEAKERS)
    if row.revisions.filter(named, number__gt=started_from).exists():
        raise Conflict(
            "The names were not saved: the speakers were named again after you opened "
            "the page. It now shows the newer names."
        )


def refuse_newer_names(row: Transcript, target: Revision) -> None:
    newer = row.revisions.filter(
        kind=Revision.Kind.SPEAKERS, is_undone=False, number__gt=target.number
    )
    if last := newer.order_by("number").last():
        raise Conflict(
            f"The speakers were named again in revision {last.number}. Undo that first."
        )
