"""Match AssemblyAI's list of words with AssemblyAI's text. The two may differ."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from transcription.tokens import UNSPACED

# Where the list and the text differ, search the next REACH_WORDS words of the list and
# the next REACH_LETTERS letters of the text for a match.
REACH_WORDS, REACH_LETTERS = 16, 400
# Stop if this many words of the list have no match in the text. The search for a word
# without a match takes 0.5 ms, so all these searches take at most 0.5 s.
MAX_UNMATCHED = 1000
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")


class ListedWord(NamedTuple):
    """A word of AssemblyAI's list.

    start, end: in ms. confidence: 0 to 1. None means that the value is missing or
    invalid. speaker: "" if unknown.
    """

    text: str
    start: float | None
    end: float | None
    confidence: float | None
    speaker: str


class AlignedWord(NamedTuple):
    """A word of AssemblyAI's text, with the matching word of AssemblyAI's list.

    space: the space before the word, or "". heard: the word of the list, or the result
    of `_substitute` if no word matches.
    """

    text: str
    space: str
    heard: ListedWord


def align(text: str, heard: list[ListedWord]) -> Iterator[AlignedWord]:
    """Yield all words of the text in order, each with the matching word of the list.

    text: words separated by single spaces. heard: AssemblyAI's list.
    """
    at, number = 0, 0
    unmatched: list[ListedWord] = []
    unknown = 0
    while number < len(heard) and unknown < MAX_UNMATCHED:
        following = heard[number + 1].text if number + 1 < len(heard) else ""
        if end := _end_of(text, at, heard[number].text, following):
            yield from _unmatched_words(text, at, at, unmatched)
            begin = at + (text[at : at + 1] == " ")
            yield AlignedWord(text[begin:end], text[at:begin], heard[number])
            at, number, unmatched = end, number + 1, []
            continue
        place, skipped = _next_agreement(text, at, heard, number)
        if place is None:
            unmatched.append(heard[number])
            unknown, number = unknown + 1, number + 1
            continue
        unmatched += heard[number : number + skipped]
        yield from _unmatched_words(text, at, place, unmatched)
        at, number, unmatched = place, number + skipped, []
    yield from _unmatched_words(text, at, len(text), unmatched + heard[number:])


def _end_of(text: str, at: int, word: str, following: str) -> int:
    """Return the index after `word`, or 0 if the text does not have `word` at `at`.

    Also skip the punctuation around `word`, but not `following`, the next word of the
    list. For example, `text` is `10-$20`, and the words are `10` and `$20`: return the
    index after `10-`.
    """
    begin = at + (text[at : at + 1] == " ")
    while not text.startswith(word, begin):
        if begin >= len(text) or text[begin] == " " or text[begin].isalnum():
            return 0
        begin += 1
    end = begin + len(word)
    if _is_inside_word(text, end):
        return 0
    while end < len(text) and not (text[end] == " " or text[end].isalnum()):
        if following and text.startswith(following, end):
            break
        end += 1
    return end


def _is_inside_word(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if UNSPACED_LETTER.match(before) or UNSPACED_LETTER.match(after):
        return False
    return before.isalnum() and after.isalnum()


def _next_agreement(
    text: str, at: int, heard: list[ListedWord], number: int
) -> tuple[int | None, int]:
    """Find the next place where the text and the list match again.

    At a match, the text has two successive words of the list, or the list's last word.
    Choose the match that skips the fewest words of the text and the list together.
    Return (index in the text, number of words of the list to skip), or (None, 0).
    """
    best: tuple[int, int | None, int] = (REACH_WORDS * 4, None, 0)
    for skipped in range(min(REACH_WORDS, len(heard) - number)):
        if skipped >= best[0]:
            break
        word = heard[number + skipped].text
        following = [each.text for each in heard[number + skipped + 1 :][:2]]
        place = text.find(word, at, at + REACH_LETTERS)
        while place >= 0:
            begin = place - (text[place - 1 : place] == " ")
            cost = skipped + text.count(" ", at, begin)
            if cost >= best[0]:
                break
            if not _is_inside_word(text, place) and _agrees(
                text, begin, word, following
            ):
                best = (cost, begin, skipped)
                break
            place = text.find(word, place + 1, at + REACH_LETTERS)
    return best[1], best[2]


def _agrees(text: str, at: int, word: str, following: list[str]) -> bool:
    end = _end_of(text, at, word, following[0] if following else "")
    if not end or not following:
        return bool(end)
    return bool(_end_of(text, end, following[0], "".join(following[1:])))


def _unmatched_words(
    text: str, begin: int, end: int, unmatched: list[ListedWord]
) -> Iterator[AlignedWord]:
    """Yield the words of text[begin:end], which have no match in the list.

    unmatched: the words of the list at this place, which have no match in the text. May
    be empty.
    """
    said = list(re.finditer(r"\S+", text[begin:end]))
    for number, found in enumerate(said):
        at = begin + found.start()
        space = " " if text[max(0, at - 1)] == " " else ""
        yield AlignedWord(
            found.group(), space, _substitute(unmatched, number, len(said))
        )


def _substitute(unmatched: list[ListedWord], number: int, count: int) -> ListedWord:
    """Return the times and the speaker of a word of the text that has no match.

    number: index of this word among `count` successive words without a match.
    unmatched: the words of the list at the same place.

    - If `unmatched` is empty, nothing is known: no times and no speaker.
    - If `unmatched` has `count` words, return the word with the index `number`.
    - Otherwise, all words get the speaker of the first word in `unmatched`, but only
      the first and the last word get a time. For example, the text has "20 mg" and the
      list has "20mg": "20" gets the start of "20mg", and "mg" gets the end of "20mg".
    """
    if not unmatched:
        return ListedWord("", None, None, None, "")
    if len(unmatched) == count:
        return unmatched[number]
    first, last = unmatched[0], unmatched[-1]
    return ListedWord(
        "",
        first.start if number == 0 else None,
        last.end if number == count - 1 else None,
        None,
        first.speaker,
    )
