"""Words into subtitles: short lines, time to read them, none over another."""

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
    """One after the other, each at least a second where the speech leaves it."""
    groups: list[list[Word]] = []
    for word in words:
        for piece in pieces(word):
            if groups and not begins_anew(groups[-1], piece):
                groups[-1].append(piece)
            else:
                groups.append([piece])
    made: list[Cue] = []
    for number, group in enumerate(groups):
        lines = wrapped(group)
        # Never before the one before has gone, even where the times run backwards.
        start = max(group[0].start, made[-1].end if made else 0)
        needed = max(LEAST_MS, sum(map(len, lines)) * 1000 // CHARACTERS_A_SECOND)
        end = max(group[-1].end, start + needed)
        if number + 1 < len(groups):
            # Speech that is faster than reading: it goes when the next comes, but not
            # before it could be seen at all.
            end = max(min(end, groups[number + 1][0].start), start + LEAST_MS)
        made.append(Cue(start, end, lines, group[0].speaker))
    return made


def named(words: list[Word]) -> list[Word]:
    """With the speaker's name before what each begins to say."""
    told: list[Word] = []
    speaker = ""
    for word in words:
        if word.speaker and word.speaker != speaker:
            told.append(word._replace(text=f"{word.speaker}:", end=word.start))
            speaker = word.speaker
        told.append(word)
    return told


def pieces(word: Word) -> list[Word]:
    """A "word" as long as a text, of a language without spaces, is cut to lines."""
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


def begins_anew(group: list[Word], word: Word) -> bool:
    last = group[-1]
    return (
        word.speaker != last.speaker
        or word.start - last.end >= PAUSE_MS
        or len(wrapped([*group, word])) > LINES
        # A sentence of its own, unless it is so short that it would flash by.
        or (
            last.text.endswith(SENTENCE_ENDS)
            and word.start - group[0].start >= LEAST_MS
        )
    )


def wrapped(group: list[Word]) -> list[str]:
    lines = [""]
    for word in group:
        longer = f"{lines[-1]} {word.text}".strip()
        if len(longer) > LINE and lines[-1]:
            lines.append(word.text)
        else:
            lines[-1] = longer
    return lines
