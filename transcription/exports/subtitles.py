"""Subtitles from words: short lines, enough time to read them, and no overlaps."""

import re
from typing import NamedTuple

from transcription.presentation import PAUSE_MS, Word

LINE, LINES = 42, 2
CHARACTERS_A_SECOND = 20
LEAST_MS = 1000
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


class Cue(NamedTuple):
    start: int  # ms
    end: int
    lines: list[str]
    speaker: str


def cues(words: list[Word]) -> list[Cue]:
    """Group the words into cues that do not overlap and last at least LEAST_MS."""
    groups: list[list[Word]] = []
    for word in words:
        for piece in pieces(word):
            if groups and not starts_new_cue(groups[-1], piece):
                groups[-1].append(piece)
            else:
                groups.append([piece])
    made: list[Cue] = []
    for number, group in enumerate(groups):
        lines = wrapped(group)
        # Start after the previous cue has ended, even if the times run backwards.
        start = max(group[0].start, made[-1].end if made else 0)
        needed = max(LEAST_MS, sum(map(len, lines)) * 1000 // CHARACTERS_A_SECOND)
        end = max(group[-1].end, start + needed)
        if number + 1 < len(groups):
            # If speech is faster than reading, end when the next cue starts, but stay
            # visible for at least LEAST_MS.
            end = max(min(end, groups[number + 1][0].start), start + LEAST_MS)
        made.append(Cue(start, end, lines, group[0].speaker))
    return made


def with_speakers(words: list[Word]) -> list[Word]:
    """Insert the speaker's name wherever the speaker changes."""
    result: list[Word] = []
    speaker = ""
    for word in words:
        if word.speaker and word.speaker != speaker:
            result.append(word._replace(text=f"{word.speaker}:", end=word.start))
            speaker = word.speaker
        result.append(word)
    return result


def pieces(word: Word) -> list[Word]:
    """Cut a word that is longer than a line.

    In a language without spaces, one "word" can be a whole text.
    """
    text = re.sub(r"\s+", " ", word.text)
    cut = [text[at : at + LINE] for at in range(0, len(text), LINE)]
    span = (word.end - word.start) // len(cut)
    return [
        word._replace(
            text=part,
            start=word.start + number * span,
            end=word.end
            if number + 1 == len(cut)
            else word.start + (number + 1) * span,
        )
        for number, part in enumerate(cut)
    ]


def starts_new_cue(group: list[Word], word: Word) -> bool:
    last = group[-1]
    return (
        word.speaker != last.speaker
        or word.start - last.end >= PAUSE_MS
        or len(wrapped([*group, word])) > LINES
        # Each sentence gets its own cue, unless the cue would be too short to see.
        or (
            last.text.endswith(SENTENCE_ENDS)
            and word.start - group[0].start >= LEAST_MS
        )
    )


def wrapped(group: list[Word]) -> list[str]:
    """Wrap the words into lines of LINE characters. A longer word has its own line."""
    lines = [""]
    for word in group:
        longer = f"{lines[-1]} {word.text}".strip()
        if len(longer) > LINE and lines[-1]:
            lines.append(word.text)
        else:
            lines[-1] = longer
    return lines
