"""Score a transcript: count correct keyterms, false keyterms and word errors.

A verified transcript is the reference for all transcripts of its recording. Both texts
are normalised first:
- English: with Whisper's normaliser, like AssemblyAI's guide and the Open ASR
  Leaderboard. For example, "20mg" and "20 mg" are the same.
- Other languages: as in our search (transcription/tokens.py). Whisper's normaliser
  would break them: for example, it removes the vowel signs of Hindi.
"""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

from rapidfuzz.distance import Levenshtein

from transcription.assemblyai.keyterms import terms_of
from transcription.models import Score, Transcript, Vocabulary
from transcription.tokens import tokens

SEARCH_RULES = "djtranscribe search 1"


class Counts(NamedTuple):
    terms: int
    terms_right: int
    false_terms: int
    words: int
    words_wrong: int
    normaliser: str


def sum_counts(many: list[Counts]) -> Counts:
    """Add up one or more Counts. All of them must come from the same normaliser."""
    *numbers, _ = Counts._fields
    return many[0]._replace(
        **{name: sum(getattr(each, name) for each in many) for name in numbers}
    )


@cache
def _english() -> Any:
    # Imported here, because only scoring English texts needs this package.
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def normalise_text(text: str, language: str) -> list[str]:
    """Return the words to compare.

    language: for example en_us, or "" if it is unknown.
    """
    if language.startswith("en"):
        return str(_english()(text)).split()
    return [token.word for token in tokens(text)]


def normaliser_name(language: str) -> str:
    if language.startswith("en"):
        return f"whisper-normalizer {version('whisper-normalizer')} English"
    return SEARCH_RULES


def counts(reference: str, written: str, terms: list[str], language: str) -> Counts:
    """Compare a written text with the reference, and count the differences."""
    right = normalise_text(reference, language)
    ours = normalise_text(written, language)
    partner = align_words(right, ours)
    sought = {tuple(normalise_text(term, language)) for term in terms} - {()}
    wanted = list(_occurrences(right, sought))
    found = {
        (partner.get(first), tuple(right[first : first + length]))
        for first, length in wanted
    }
    # A term is right if its words are aligned with successive words of `ours`.
    is_right = [
        all(
            partner.get(first + n, -1) == partner.get(first, -2) + n
            for n in range(length)
        )
        for first, length in wanted
    ]
    false = [
        first
        for first, length in _occurrences(ours, sought)
        if (first, tuple(ours[first : first + length])) not in found
    ]
    return Counts(
        terms=len(wanted),
        terms_right=sum(is_right),
        false_terms=len(false),
        words=len(right),
        words_wrong=Levenshtein.distance(right, ours),
        normaliser=normaliser_name(language),
    )


def align_words(one: list[str], other: list[str]) -> dict[int, int]:
    """Map indexes in `one` to indexes in `other`, for words that are equal in both."""
    blocks: Any = Levenshtein.opcodes(one, other).as_list()
    return {
        begin + n: other_begin + n
        for tag, begin, end, other_begin, _ in blocks
        if tag == "equal"
        for n in range(end - begin)
    }


def _occurrences(
    words: list[str], sought: set[tuple[str, ...]]
) -> Iterator[tuple[int, int]]:
    """Yield (index of the first word, number of words) of each occurrence of a term.

    Occurrences do not overlap. If several terms begin at the same word, only the
    longest counts.
    """
    lengths = sorted({len(term) for term in sought}, reverse=True)
    at = 0
    while at < len(words):
        here = [tuple(words[at : at + length]) for length in lengths]
        term = next((each for each in here if each in sought), None)
        if term:
            yield at, len(term)
        at += len(term) if term else 1


def score_recording(recording_pk: int) -> None:
    """Score all completed transcripts of a recording against its verified transcript.

    If several transcripts are verified, the last verified one is the reference. If none
    is verified, the scores are deleted.
    The terms are the current terms of all keyword lists that these transcripts used.
    """
    rows = Transcript.objects.filter(
        recording=recording_pk, status=Transcript.Status.COMPLETED
    )
    reference = rows.exclude(verified_at=None).order_by("verified_at").last()
    if reference is None:
        Score.objects.filter(transcript__recording=recording_pk).delete()
        return
    lists = Vocabulary.objects.filter(transcript__in=rows).distinct()
    terms = [term for each in lists for term in terms_of(each.terms)]
    for row in rows.defer("words", "search_text", "request", "response"):
        found = counts(reference.text, row.uncorrected_text, terms, reference.language)
        Score.objects.update_or_create(
            transcript=row, defaults={"reference": reference, **found._asdict()}
        )
