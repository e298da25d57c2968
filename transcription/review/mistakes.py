"""Mistakes that were corrected more than once, and what they suggest for keyword lists.

Nothing is added to a list automatically. Automatic learning fills lists with common
words, and then they are heard everywhere.
"""

from django.db.models import F, QuerySet
from rapidfuzz import fuzz

from transcription.assemblyai.keyterms import terms_of
from transcription.models import Mistake, Vocabulary
from transcription.words import edges

# A longer correction rewrites a sentence: it teaches no word.
MOST_WORDS = 4
LONGEST = 200
# How much two spellings must have in common, or two sounds, from 0 to 100.
ALIKE, SOUND_ALIKE = 50, 60
# Consonants that are taken for each other on a telephone. Vowels are left out.
SOUNDS = str.maketrans("bdgvzqc", "ptkfskk", "aeiouyhw' ")
# A suggestion needs the same correction in so many transcripts.
ENOUGH = 2
CANDIDATES = 500


def pair_of(original: str, corrected: str) -> tuple[str, str] | None:
    """Return (heard, corrected) for a correction that may teach a word, or None."""
    heard, written = _plain(original).casefold(), _plain(corrected)
    if not heard or not written or heard == written.casefold():
        return None
    if max(len(heard), len(written)) > LONGEST:
        return None
    if max(len(heard.split()), len(written.split())) > MOST_WORDS:
        return None
    return heard, written


def _plain(text: str) -> str:
    """Return the text without the punctuation around it."""
    before, after = edges(text)
    return text[len(before) : len(text) - len(after)]


def count(before: set[tuple[str, str]], now: set[tuple[str, str]]) -> None:
    """Count the mistakes of one transcript. In the transaction of the correction."""
    for heard, corrected in before - now:
        rows = Mistake.objects.filter(heard=heard, corrected=corrected)
        rows.filter(transcripts__gt=0).update(transcripts=F("transcripts") - 1)
    # In one order, so that two transactions do not wait for each other.
    for heard, corrected in sorted(now - before):
        row, _ = Mistake.objects.get_or_create(heard=heard, corrected=corrected)
        Mistake.objects.filter(pk=row.pk).update(transcripts=F("transcripts") + 1)


def frequent() -> QuerySet[Mistake]:
    return Mistake.objects.filter(transcripts__gt=0)


def suggestions(limit: int = 50) -> list[Mistake]:
    """Return mistakes that a keyword list may cure, the most frequent first."""
    known = {
        term.casefold()
        for terms in Vocabulary.objects.values_list("terms", flat=True)
        for term in terms_of(terms)
    }
    candidates = frequent().filter(is_settled=False, transcripts__gte=ENOUGH)
    found = (
        row
        for row in candidates[:CANDIDATES]
        if row.corrected.casefold() not in known and are_alike(row)
    )
    return [row for row, _ in zip(found, range(limit), strict=False)]


def are_alike(row: Mistake) -> bool:
    """Return whether both are spelled alike or sound alike.

    Else it is a rewrite, no mishearing.
    """
    heard, written = row.heard, row.corrected.casefold()
    if fuzz.ratio(heard.replace(" ", ""), written.replace(" ", "")) >= ALIKE:
        return True
    sounds = heard.translate(SOUNDS), written.translate(SOUNDS)
    return all(sounds) and fuzz.ratio(*sounds) >= SOUND_ALIKE
