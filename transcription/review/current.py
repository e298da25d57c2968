"""The current words of a transcript: the original words with corrections.

Corrections are applied each time the words are read. Only `Transcript.text` and
`search_text` are stored with the corrections, because lists and searches need them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from transcription.models import Correction, Original, Revision, Transcript
from transcription.words import Word, join_words, original_words, words_of_text


class Change(NamedTuple):
    """The new text of a range of original words.

    first, last: indexes of original words, `last` excluded.
    after: the new text, or "" to remove the words.
    correction: primary key of the Correction, or 0 if the change is not saved.
    """

    first: int
    last: int
    after: str
    correction: int = 0


def words_of(transcript: Transcript) -> list[Word]:
    """Return the current words of a transcript.

    Without a revision, the words come from AssemblyAI's list of words. If the list is
    missing or empty, the result is [], even if there is a text. Makes three queries if
    the transcript has a revision.
    """
    return words_of_each([transcript])[transcript.pk]


def words_of_each(transcripts: Iterable[Transcript]) -> dict[int, list[Word]]:
    """Return {primary key of the transcript: its current words}.

    Makes three queries in total if any of the transcripts has a revision.
    """
    rows = {transcript.pk: transcript for transcript in transcripts}
    revised = [pk for pk, row in rows.items() if row.revision]
    if not revised:
        return {pk: original_words(row) for pk, row in rows.items()}
    originals = Original.objects.in_bulk(revised)
    changes, names = _live_changes_of_each(revised), _names_of_each(revised)
    found = {}
    for pk, row in rows.items():
        if original := originals.get(pk):
            seconds = row.audio_seconds or 0
            words = apply_changes(original.words(), changes[pk], seconds)
            found[pk] = with_speaker_names(words, names.get(pk) or {})
        else:
            found[pk] = original_words(row)
    return found


def original_of(transcript: Transcript) -> list[Word]:
    """Return the words before any correction.

    Corrections refer to these words by index.
    """
    if not transcript.revision:
        return original_words(transcript)
    return Original.objects.get(pk=transcript.pk).words()


def speaker_names(transcript: Transcript) -> dict[str, str]:
    """Return the names that a person has given, such as {"A": "Ms Smith"}.

    The keys are the speakers' names in the original words.
    """
    return _names_of_each([transcript.pk]).get(transcript.pk) or {}


def _names_of_each(keys: list[int]) -> dict[int, dict[str, str] | None]:
    """Return {primary key: `speaker_names`} of the transcripts that have names."""
    rows = Revision.objects.filter(
        transcript__in=keys, kind=Revision.Kind.SPEAKERS, is_undone=False
    )
    # dict() keeps the last value of a key: the names in the newest revision.
    return dict(rows.order_by("number").values_list("transcript", "speakers"))


def is_edited(transcript: Transcript) -> bool:
    """Return whether a correction is live, or a speaker has a name.

    A live correction may also mark words as right, without a change.
    """
    if not transcript.revision:
        return False
    corrections = transcript.corrections.filter(is_live=True)
    return corrections.exists() or bool(speaker_names(transcript))


def with_speaker_names(words: list[Word], names: dict[str, str]) -> list[Word]:
    if not names:
        return words
    return [
        word._replace(speaker=names.get(word.speaker, word.speaker)) for word in words
    ]


def live_changes(transcript: Transcript) -> list[Change]:
    """Return the live corrections (Correction.is_live), in the order of their words."""
    return _live_changes_of_each([transcript.pk])[transcript.pk]


def _live_changes_of_each(keys: list[int]) -> defaultdict[int, list[Change]]:
    """Return {primary key of the transcript: its `live_changes`}."""
    found = defaultdict[int, list[Change]](list)
    rows = Correction.objects.filter(transcript__in=keys, is_live=True)
    columns = ("transcript", "first", "last", "after", "pk")
    for pk, *change in rows.order_by("first").values_list(*columns):
        found[pk].append(Change(*change))
    return found


def apply_changes(
    words: list[Word], changes: Iterable[Change], seconds: float = 0
) -> list[Word]:
    """Return the words with the changes applied.

    For the times of new words, see `_time_range`.

    changes: in the order of the text, without overlaps.
    seconds: the length of the audio, or 0 if unknown. Used only if `words` is empty.
    """
    result: list[Word] = []
    at = 0
    for change in changes:
        result += words[at : change.first]
        result += _changed_words(words, change, seconds)
        at = change.last
    return [*result, *words[at:]]


def text_of(pieces: list[str], changes: Iterable[Change]) -> str:
    """Return the text with the changes applied.

    Returns the same text as the words of `apply_changes`, but does not compute times.
    pieces: each original word with the space before it, see Original.pieces.
    """
    result: list[str] = []
    at = 0
    for change in changes:
        result += pieces[at : change.first]
        if change.after:
            is_unspaced = pieces and not pieces[change.first].startswith(" ")
            result.append(change.after if is_unspaced else f" {change.after}")
        at = change.last
    return "".join([*result, *pieces[at:]]).strip()


def _changed_words(words: list[Word], change: Change, seconds: float) -> Iterator[Word]:
    """Yield the new words of one change, with their times."""
    replaced = words[change.first : change.last]
    after = change.after.split()
    if not replaced:
        for word in words_of_text(change.after, [], seconds):
            yield word._replace(at=0, span=0, correction=change.correction)
        return
    anchor: Any = {
        "at": replaced[0].at,
        "span": len(replaced),
        "correction": change.correction,
    }
    if change.after == join_words(replaced):
        # The new text is the old text: a person has confirmed these words. So they are
        # not doubtful any more.
        for word in replaced:
            yield word._replace(confidence=None, **anchor)
        return
    before = [word.text for word in replaced]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    space = replaced[0].space
    for tag, begin, end, new_begin, new_end in matcher.get_opcodes():
        heard, texts = replaced[begin:end], after[new_begin:new_end]
        if len(heard) == len(texts):
            times = [(word.start, word.end) for word in heard]
        else:
            room = _time_range(words, change.first + begin, change.first + end)
            times = list(_spread_times(texts, *room))
        speaker = words[min(change.first + begin, change.last - 1)].speaker
        for number, (text, (start, stop)) in enumerate(zip(texts, times, strict=True)):
            sure = heard[number].confidence if tag == "equal" else None
            yield Word(text, start, stop, sure, speaker, space, **anchor)
            space = " "


def _time_range(words: list[Word], first: int, last: int) -> tuple[int, int]:
    """Return the time for new words, as (start, end) in ms.

    - If the new words replace words[first:last]: the time of the replaced words.
    - If they are only added: the gap between the word before and the word after.
    - If there is no gap: the second half of the word before.
    - If there is no gap and no word before: the first half of the first word.
    """
    if first < last:
        return words[first].start, max(words[last - 1].end, words[first].start)
    if not first:
        begins, ends = 0, words[0].start
        return (begins, ends) if ends > begins else (begins, _middle(words[0]))
    begins = words[first - 1].end
    ends = words[first].start if first < len(words) else begins
    return (begins, ends) if ends > begins else (_middle(words[first - 1]), begins)


def _middle(word: Word) -> int:
    return (word.start + word.end) // 2


def _spread_times(texts: list[str], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) in ms for each text.

    Divide the time from `begin` to `end` in proportion to the numbers of letters. Each
    text gets at least 1 ms.
    """
    letters = [0, *accumulate(map(len, texts))]
    for sofar, until in pairwise(letters):
        share = (end - begin) / letters[-1]
        start = int(begin + sofar * share)
        yield start, max(int(begin + until * share), start + 1)
