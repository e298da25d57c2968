"""Give every word a time within the audio, whatever times AssemblyAI's list has."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from transcription.alignment import Part

# The length of a word whose times are unknown.
WORD_MS = 400
# The longest plausible word. A later end is wrong.
LONGEST_WORD_MS = 10_000
# AssemblyAI rounds the length of the audio.
MARGIN_MS = 1000


class Span(NamedTuple):
    start: int  # ms
    end: int
    speaker: str


def spans(parts: list[Part], latest: float) -> list[Span]:
    """Give each part a start, an end and a speaker.

    latest: end of the audio in ms, 0 if unknown.
    """
    starts = _plausible_starts(parts, latest)
    # After the last part nothing follows.
    starts_after = [*starts[1:], None]
    found: list[Span] = []
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
            heard = parts[number].heard
            following = starts_after[number]
            ended = _end(heard.end, start, estimated_end, following, latest)
            speaker = heard.speaker or speaker
            found.append(Span(start, ended, speaker))
    return found


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
