"""Give every word a plausible time, even if AssemblyAI's times are wrong.

If the length of the audio is known, all times lie within the audio.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from transcription.alignment import AlignedWord

# The assumed length of a word if its real length is unknown.
WORD_MS = 400
# A longer word is implausible, so AssemblyAI's end of the word is ignored.
MAX_WORD_MS = 10_000
# A word may start at most this long after the end of the audio, because AssemblyAI
# rounds the length of the audio.
MARGIN_MS = 1000


class Span(NamedTuple):
    start: int  # ms
    end: int
    speaker: str


def spans(words: list[AlignedWord], latest: float) -> list[Span]:
    """Return the start, the end and the speaker of each word.

    latest: end of the audio in ms, 0 if unknown.
    """
    starts = _plausible_starts(words, latest)
    # For each word, the start of the next word, or None.
    starts_after = [*starts[1:], None]
    found: list[Span] = []
    ended, speaker = 0, ""
    for start_is_known, run in groupby(
        range(len(words)), lambda number: starts[number] is not None
    ):
        numbers = list(run)
        if start_is_known:
            times = [(starts[number] or 0, 0) for number in numbers]
        else:
            begins = starts_after[numbers[-1]]
            times = _estimate(ended, begins, len(numbers), latest)
        for number, (start, estimated_end) in zip(numbers, times, strict=True):
            heard = words[number].heard
            following = starts_after[number]
            ended = _end(heard.end, start, estimated_end, following, latest)
            speaker = heard.speaker or speaker
            found.append(Span(start, ended, speaker))
    return found


def _plausible_starts(words: list[AlignedWord], latest: float) -> list[int | None]:
    """Return the start of each word in ms, or None if it is missing or implausible.

    A start is implausible in two cases:
    - It is more than MARGIN_MS after the end of the audio.
    - It does not fit the speaker's other starts, which must rise. For example, of the
      starts 1, 9, 2 and 3, only 9 is implausible.
    """
    starts: list[int | None] = [None] * len(words)
    speaker = ""
    by_speaker: dict[str, list[int]] = {}
    for number, word in enumerate(words):
        speaker = word.heard.speaker or speaker
        start = word.heard.start
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
    """Yield the keys of the longest strictly rising subsequence, last key first.

    values: a list of (value, key).
    """
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


def _estimate(
    begin: int, end: int | None, count: int, latest: float
) -> list[tuple[int, int]]:
    """Return (start, end) in ms of `count` words, spread evenly from `begin` to `end`.

    `end` is None if no later word has a known start.
    """
    if end is None:
        end = begin + count * WORD_MS
        if latest:
            # `begin` is 0 if there are no earlier words. Then spread these words over
            # the whole audio.
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
    """Return the end of a word in ms. It is never before `start` or after `latest`.

    heard: AssemblyAI's end of the word, or None.
    estimated: the end from `_estimate`, or 0 if AssemblyAI's start is plausible.
    following: the start of the next word, or None.
    latest: see `spans`.
    """
    if heard is not None and start <= heard <= start + MAX_WORD_MS:
        end = int(heard)
    elif estimated:
        end = estimated
    else:
        end = start + WORD_MS
        if following and following >= start:
            end = min(end, following)
    return max(start, min(end, int(latest)) if latest else end)
