"""Count repeated corrections, and suggest them for keyword lists.

Nothing is added to a list automatically: common words would soon fill the lists.
AssemblyAI would then write these words where nobody said them.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import chain

from django.db.models import F, QuerySet
from django.db.models.functions import Greatest
from rapidfuzz import fuzz

from transcription.assemblyai.keyterms import terms_of
from transcription.models import Mistake, Original, Transcript, Vocabulary
from transcription.review.current import Change, live_changes
from transcription.review.ranges import original_text
from transcription.words import bare_word, outer_punctuation

# Ignore corrections with more words or characters: most of them rewrite sentences.
MAX_WORDS = 4
MAX_LENGTH = 200
# Two texts are alike if their spellings or their sounds are at least this similar. 100
# means equal.
MIN_SIMILARITY, MIN_SOUND_SIMILARITY = 50, 60
# Map consonants that sound alike on a telephone to one letter. Remove vowels, `h`,
# `w`, apostrophes and spaces.
SOUNDS = str.maketrans("bdgvzqc", "ptkfskk", "aeiouyhw' ")
# Suggest a correction if at least this many transcripts have it.
MIN_TRANSCRIPTS = 2
MAX_CANDIDATES = 500


def pair_of(original: str, corrected: str) -> tuple[str, str] | None:
    """Return (heard, corrected), or None if the correction cannot suggest a keyword."""
    heard, written = _plain(original).casefold(), _plain(corrected)
    if not heard or not written or heard == written.casefold():
        return None
    if max(len(heard), len(written)) > MAX_LENGTH:
        return None
    if max(len(heard.split()), len(written.split())) > MAX_WORDS:
        return None
    return heard, written


def _plain(text: str) -> str:
    """Return the text without the punctuation around it."""
    before, after = outer_punctuation(text)
    return text[len(before) : len(text) - len(after)]


def mistakes_in(pieces: list[str], changes: list[Change]) -> set[tuple[str, str]]:
    """Return (heard, corrected) of the changes that may suggest a keyword."""
    pairs = ((original_text(pieces, each), each.after) for each in changes)
    return {pair for each in pairs if (pair := pair_of(*each))}


def update_counts(before: set[tuple[str, str]], now: set[tuple[str, str]]) -> None:
    """Update `Mistake.transcripts` after one transcript has changed.

    before, now: the mistakes in this transcript. Call this in the transaction that
    saves the correction.
    """
    # Sorted: all transactions use the same order, so that they do not deadlock.
    for heard, corrected in sorted(before ^ now):
        rows = Mistake.objects.filter(heard=heard, corrected=corrected)
        if (heard, corrected) in before:
            rows.filter(transcripts__gt=0).update(transcripts=F("transcripts") - 1)
        else:
            Mistake.objects.get_or_create(heard=heard, corrected=corrected)
            rows.update(transcripts=F("transcripts") + 1)


def lock_and_find(row: Transcript) -> set[tuple[str, str]] | None:
    """Lock a transcript, and return its mistakes as (heard, corrected).

    Return None if the transcript was never corrected.
    """
    locked = Transcript.objects.select_for_update().filter(pk=row.pk)
    if not locked.exclude(revision=None).order_by().values_list("pk").first():
        return None
    return mistakes_in(Original.pieces_of(row), live_changes(row))


def remove_from_counts(removed: Iterable[set[tuple[str, str]]]) -> None:
    """Subtract deleted transcripts from the counts. Delete mistakes with the count 0.

    removed: the result of `lock_and_find` for each transcript.
    To avoid deadlocks, lock all transcripts first, and call this only once in a
    transaction.
    """
    counts = Counter(chain.from_iterable(removed))
    for (heard, corrected), number in sorted(counts.items()):
        rows = Mistake.objects.filter(heard=heard, corrected=corrected)
        rows.update(transcripts=Greatest(F("transcripts") - number, 0))
    # Skip a locked mistake: another transaction is changing its count.
    unused = Mistake.objects.filter(transcripts=0).select_for_update(skip_locked=True)
    Mistake.objects.filter(pk__in=list(unused.values_list("pk", flat=True))).delete()


def current_mistakes() -> QuerySet[Mistake]:
    return Mistake.objects.filter(transcripts__gt=0)


def suggestions(limit: int = 50) -> list[Mistake]:
    """Return mistakes that a keyword may prevent, the most frequent first."""
    known = {
        term.casefold()
        for terms in Vocabulary.objects.values_list("terms", flat=True)
        for term in terms_of(terms)
    }
    candidates = current_mistakes().filter(
        is_settled=False, transcripts__gte=MIN_TRANSCRIPTS
    )
    found = (
        row
        for row in candidates[:MAX_CANDIDATES]
        if row.corrected.casefold() not in known
        and not is_insertion_or_removal(row)
        and are_alike(row)
    )
    return [row for row, _ in zip(found, range(limit), strict=False)]


def added_to_lists(limit: int = 50) -> list[Mistake]:
    """Return mistakes that were added to a keyword list, the newest first.

    A list helps only new transcripts, so past transcripts may still have the mistakes.
    """
    return list(current_mistakes().exclude(added_at=None).order_by("-added_at")[:limit])


def is_insertion_or_removal(row: Mistake) -> bool:
    """Return whether one text contains the other text, as in `Smith` and `Mr Smith`.

    A keyword would not help, because AssemblyAI has already heard `Smith`.
    """
    heard, written = (
        f" {' '.join(map(bare_word, text.split()))} "
        for text in (row.heard, row.corrected)
    )
    return heard in written or written in heard


def are_alike(row: Mistake) -> bool:
    """Return whether both texts are spelled alike or sound alike.

    If not, a person has probably rewritten the text, which AssemblyAI heard correctly.
    """
    heard, written = row.heard, row.corrected.casefold()
    if fuzz.ratio(heard.replace(" ", ""), written.replace(" ", "")) >= MIN_SIMILARITY:
        return True
    sounds = heard.translate(SOUNDS), written.translate(SOUNDS)
    return all(sounds) and fuzz.ratio(*sounds) >= MIN_SOUND_SIMILARITY
