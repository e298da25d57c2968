"""The words of a transcript with their times.

AssemblyAI sends a text and a list of words. The text is the truth; the list says when
a word is spoken, how sure the model is and who speaks. Any field of the list may be
missing or invalid, and the list may differ from the text. `original_words` returns the
whole text, with times that lie within the audio. Pages, exports, search and API show
what people have corrected, too: see `review/current.py`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from transcription.search.tokens import UNSPACED

if TYPE_CHECKING:
    from transcription.models import Transcript

# How far to look for the place where the text and the list agree again.
REACH_WORDS, REACH_LETTERS = 16, 400
# After so many listed words that are not in the text, stop looking: each costs 0.5 ms.
MOST_UNKNOWN = 1000
# The length of a word whose times are unknown.
WORD_MS = 400
# The longest plausible word. A later end is wrong.
LONGEST_WORD_MS = 10_000
# Ignore later times if the length of the audio is unknown.
LATEST_MS = 7 * 24 * 3600 * 1000
# AssemblyAI rounds the length of the audio.
MARGIN_MS = 1000
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")


class Word(NamedTuple):
    text: str
    start: int  # ms
    end: int
    confidence: float | None
    speaker: str
    # What is before it in the text: a space, or nothing between Chinese words.
    space: str = " "
    # The index of the original word it stands for, or of the first of `span` words.
    at: int = 0
    span: int = 1
    # The key of the live Correction it belongs to, or 0.
    correction: int = 0
    is_estimated: bool = False


class Heard(NamedTuple):
    """A word as AssemblyAI lists it. None: missing or invalid."""

    text: str
    start: float | None
    end: float | None
    confidence: float | None
    speaker: str


class Part(NamedTuple):
    """A piece of the text, and the listed word that it is, if any."""

    text: str
    space: str
    heard: Heard


def original_words(transcript: Transcript) -> list[Word]:
    """Return the words before any correction, or [] if AssemblyAI lists none."""
    heard = heard_in(transcript.words, transcript.channel_names or {})
    if not heard:
        return []
    words = spoken(transcript.as_heard, heard, transcript.audio_seconds or 0)
    if len({word.speaker for word in words}) < 2:
        return words
    # Where two talk at once, one after the other: word by word nobody could read it.
    in_turns = [word for turn in turns(words) for word in turn]
    return [word._replace(at=number) for number, word in enumerate(in_turns)]


def spoken(text: str, heard: list[Heard], seconds: float = 0) -> list[Word]:
    """Return the words of the text, in its order.

    heard: what is known about them; without it, the times are estimates.
    seconds: length of the audio, 0 if unknown.
    """
    latest = seconds * 1000 if 0 < seconds * 1000 < LATEST_MS else 0
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text or _is_same(text, heard):
        parts = [Part(word.text, " ", word) for word in heard]
    else:
        parts = list(_parts(text, heard))
    return _timed(parts, latest)


def heard_in(
    listed: Any, names: Mapping[str, str] = MappingProxyType({})
) -> list[Heard]:
    """Return the words of AssemblyAI's list that have a text.

    names: who speaks on a channel, where that is known.
    """
    listed = listed if isinstance(listed, list) else []
    words = [_heard(each, names) for each in listed if isinstance(each, dict)]
    return [word for word in words if word.text]


def turns(words: list[Word]) -> list[list[Word]]:
    """Group the words by speaker. A turn ends when another speaker says a word in a
    pause of this one, and goes on when two talk at once."""
    found: list[list[Word]] = []
    open_turns: dict[str, list[Word]] = {}
    for word in sorted(words, key=lambda word: word.start):
        turn = open_turns.get(word.speaker)
        if turn is None or answered(turn[-1], word, open_turns):
            turn = open_turns[word.speaker] = []
            found.append(turn)
        turn.append(word)
    return found


def answered(last: Word, word: Word, open_turns: dict[str, list[Word]]) -> bool:
    """Return whether somebody else spoke on between two words of a speaker."""
    return any(
        last.end < turn[-1].end <= word.start
        for speaker, turn in open_turns.items()
        if speaker != word.speaker
    )


def joined(words: list[Word]) -> str:
    """Return the words as the text that they are."""
    return "".join(pieces_in(words)).strip()


def pieces_in(words: list[Word]) -> list[str]:
    """Return each word with what is before it: a space or nothing."""
    return [word.space + word.text for word in words]


def edges(text: str) -> tuple[str, str]:
    """Return the punctuation before and after a word."""
    letters = [n for n, letter in enumerate(text) if letter.isalnum()]
    return (text[: letters[0]], text[letters[-1] + 1 :]) if letters else (text, "")


def bare(text: str) -> str:
    """Return a word without case and the punctuation around it."""
    before, after = edges(text)
    return text[len(before) : len(text) - len(after)].casefold()


# The list as it came


def _heard(word: dict[str, Any], names: Mapping[str, str]) -> Heard:
    text = " ".join(str(word.get("text") or "").split())
    return Heard(
        unicodedata.normalize("NFC", text),
        _number(word.get("start"), LATEST_MS),
        _number(word.get("end"), LATEST_MS),
        _number(word.get("confidence"), 1),
        _speaker(word, names),
    )


def _number(value: Any, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value <= most else None


def _speaker(word: dict[str, Any], names: Mapping[str, str]) -> str:
    """Return the name of a speaker. With several channels it is the channel."""
    speaker, channel = word.get("speaker"), word.get("channel")
    if str(channel) in names:
        return names[str(channel)]
    if speaker and str(speaker) != str(channel):
        return f"Speaker {speaker}"
    return f"Channel {channel}" if channel else ""


def _is_same(text: str, heard: list[Heard]) -> bool:
    """Return whether the list has exactly the words of the text, in whatever order.

    Two people who talk at once: the text has one after the other, the list goes by
    time.
    """
    said, listed = text.split(" "), [word.text for word in heard]
    return said == listed or sorted(said) == sorted(listed)


# Where each listed word stands in the text


def _parts(text: str, heard: list[Heard]) -> Iterator[Part]:
    at, number = 0, 0
    unmatched: list[Heard] = []
    unknown = 0
    while number < len(heard) and unknown < MOST_UNKNOWN:
        following = heard[number + 1].text if number + 1 < len(heard) else ""
        if end := _end_of(text, at, heard[number].text, following):
            yield from _differing(text, at, at, unmatched)
            begin = at + (text[at : at + 1] == " ")
            yield Part(text[begin:end], text[at:begin], heard[number])
            at, number, unmatched = end, number + 1, []
            continue
        place, skipped = _next_agreement(text, at, heard, number)
        if place is None:
            unmatched.append(heard[number])
            unknown, number = unknown + 1, number + 1
            continue
        unmatched += heard[number : number + skipped]
        yield from _differing(text, at, place, unmatched)
        at, number, unmatched = place, number + skipped, []
    yield from _differing(text, at, len(text), unmatched + heard[number:])


def _end_of(text: str, at: int, word: str, following: str) -> int:
    """Return where the word ends if it stands in the text at `at`, else 0.

    Punctuation around it belongs to it, unless it is the next listed word.
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
    text: str, at: int, heard: list[Heard], number: int
) -> tuple[int | None, int]:
    """Return where in the text the list goes on, and how many words it skips.

    Of several places, the nearest. Two listed words in a row must stand there.
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


def _differing(
    text: str, begin: int, end: int, unmatched: list[Heard]
) -> Iterator[Part]:
    """Yield the text between two matches, where other words, or none, are listed."""
    said = list(re.finditer(r"\S+", text[begin:end]))
    for number, found in enumerate(said):
        at = begin + found.start()
        space = " " if text[max(0, at - 1)] == " " else ""
        yield Part(found.group(), space, _stand_in(unmatched, number, len(said)))


def _stand_in(unmatched: list[Heard], number: int, count: int) -> Heard:
    """Return what is known about word `number` of `count` that are not listed."""
    if not unmatched:
        return Heard("", None, None, None, "")
    if len(unmatched) == count:
        return unmatched[number]
    first, last = unmatched[0], unmatched[-1]
    return Heard(
        "",
        first.start if number == 0 else None,
        last.end if number == count - 1 else None,
        None,
        first.speaker,
    )


# Times


def _timed(parts: list[Part], latest: float) -> list[Word]:
    """Give each part a start and an end. latest: end of the audio in ms, 0: unknown."""
    starts = _plausible_starts(parts, latest)
    # After the last part nothing follows.
    starts_after = [*starts[1:], None]
    words: list[Word] = []
    ended, speaker = 0, ""
    for start_is_known, run in groupby(
        range(len(parts)), lambda number: starts[number] is not None
    ):
        numbers = list(run)
        if start_is_known:
            times = [(starts[number] or 0, 0) for number in numbers]
        else:
            begins = starts_after[numbers[-1]]
            times = _estimated(ended, begins, len(numbers), latest)
        for number, (start, estimated_end) in zip(numbers, times, strict=True):
            text, space, heard = parts[number]
            following = starts_after[number]
            ended = _end(heard.end, start, estimated_end, following, latest)
            speaker = heard.speaker or speaker
            words.append(
                Word(text, start, ended, heard.confidence, speaker, space, number)
            )
    return words


def _plausible_starts(parts: list[Part], latest: float) -> list[int | None]:
    """Return the starts without those that cannot be: after the end, or out of order.

    The words of one speaker are in order. Of those that are not, the fewest are wrong.
    """
    starts: list[int | None] = [None] * len(parts)
    speaker = ""
    by_speaker: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        speaker = part.heard.speaker or speaker
        start = part.heard.start
        if start is None or (latest and start > latest + MARGIN_MS):
            continue
        starts[number] = int(min(start, latest) if latest else start)
        by_speaker.setdefault(speaker, []).append(number)
    for numbers in by_speaker.values():
        kept = set(_longest_rise([(starts[n] or 0, n) for n in numbers]))
        for number in numbers:
            if number not in kept:
                starts[number] = None
    return starts


def _longest_rise(values: list[tuple[int, int]]) -> Iterator[int]:
    """Yield the keys of the longest part of (value, key) whose values rise."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for number, (value, _) in enumerate(values):
        place = bisect_left(tails, value)
        before.append(ends[place - 1] if place else -1)
        tails[place : place + 1] = [value]
        ends[place : place + 1] = [number]
    number = ends[-1] if ends else -1
    while number >= 0:
        yield values[number][1]
        number = before[number]


def _estimated(
    begin: int, end: int | None, count: int, latest: float
) -> list[tuple[int, int]]:
    """Spread `count` words evenly between two times. end None: up to the last word."""
    if end is None:
        end = begin + count * WORD_MS
        if latest:
            # A text without any times: over the whole audio.
            end = int(latest) if begin == 0 else min(end, int(latest))
    begin = min(begin, end)
    step = (end - begin) / count
    return [(int(begin + n * step), int(begin + (n + 1) * step)) for n in range(count)]


def _end(
    heard: float | None,
    start: int,
    estimated: int,
    following: int | None,
    latest: float,
) -> int:
    if heard is not None and start <= heard <= start + LONGEST_WORD_MS:
        end = int(heard)
    elif estimated:
        end = estimated
    else:
        end = start + WORD_MS
        if following and following >= start:
            end = min(end, following)
    return max(start, min(end, int(latest)) if latest else end)
