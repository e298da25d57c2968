"""Subtitles from words: short texts (cues) that are shown while they are spoken.

If speakers answer each other quickly, they share a cue, with one line for each speaker.
Without names, each of these lines begins with a dash. With names, the first cue of each
turn begins with the speaker's name. If people talk at the same time, their cues
overlap. See "Dashes" and "Timing" in the BBC Subtitle Guidelines,
bbc.github.io/subtitle-guidelines
"""

import re
from collections.abc import Iterator
from itertools import pairwise, zip_longest
from typing import NamedTuple

import regex

from transcription.presentation import PAUSE_MS, SENTENCE_ENDS
from transcription.words import Word, join_words, turns

MAX_LINE_LENGTH, MAX_LINES = 42, 2
DASH = "- "
CHARACTERS_PER_SECOND = 20
# Usually, a cue is shown for at least this long. It is shorter at the end of the audio,
# and in the cases that `cue_end` describes.
USUAL_MIN_MS = 1000
# A cue disappears at most this long after the end of its speech.
MAX_LINGER_MS = 500
# Every cue is shown for at least this long: players do not show a cue of 0 ms.
MIN_MS = 40


class Cue(NamedTuple):
    start: int  # ms
    end: int
    lines: list[str]


def cues(words: list[Word], seconds: float = 0, speakers: bool = False) -> list[Cue]:
    """Return the cues in order of their start.

    seconds: length of the audio, 0 if unknown. speakers: whether to name the speakers.
    """
    groups = [group for turn in turns(words) for group in split_turn(turn, speakers)]
    groups.sort(key=lambda group: group[0].start)
    shared = merge_short_turns(groups)
    latest = int(seconds * 1000)
    made: list[Cue] = []
    for together, following in zip_longest(shared, shared[1:]):
        start = together[0][0].start
        spoken_until = max(word.end for group in together for word in group)
        lines = lines_of(together, speakers)
        next_start = following[0][0].start if following else None
        end = cue_end(start, spoken_until, lines, next_start)
        end = max(end, start + MIN_MS)
        if latest:
            start, end = min(start, max(0, latest - MIN_MS)), min(end, latest)
        made.append(Cue(start, end, lines))
    return made


def cue_end(
    start: int, spoken_until: int, lines: list[str], next_start: int | None
) -> int:
    """Return when a cue disappears, in ms.

    A cue is shown long enough to be read, but at most MAX_LINGER_MS after its speech.
    A cue disappears when the next cue begins. If two people talk at once, both cues are
    shown.
    """
    reading = sum(map(len, lines)) * 1000 // CHARACTERS_PER_SECOND
    end = max(spoken_until, start + max(USUAL_MIN_MS, reading))
    end = min(end, spoken_until + MAX_LINGER_MS)
    if next_start is not None and next_start >= spoken_until:
        end = min(end, next_start)
    return end


def split_turn(turn: list[Word], speakers: bool) -> Iterator[list[Word]]:
    """Cut a turn (words of one speaker) into groups of words that fit into a cue."""
    group: list[Word] = []
    name = f"{turn[0].speaker}: " if speakers and turn[0].speaker else ""
    if name:
        turn = [turn[0]._replace(text=name + turn[0].text), *turn[1:]]
    for word in turn:
        for piece in split_word(word):
            if group and starts_new_cue(group, piece):
                yield group
                group = []
            group.append(piece)
    if group:
        yield group


def merge_short_turns(groups: list[list[Word]]) -> list[list[list[Word]]]:
    """Distribute groups (see `split_turn`) over cues. Return the groups of each cue.

    A quick answer is in the cue of the group before it, see `fits_cue`.
    """
    shared: list[list[list[Word]]] = []
    for group in groups:
        if shared and fits_cue(shared[-1], group):
            shared[-1].append(group)
        else:
            shared.append([group])
    return shared


def fits_cue(together: list[list[Word]], group: list[Word]) -> bool:
    """Return whether `group` is a quick answer and fits into the cue of `together`.

    All of these must be true:
    - `group` is from another speaker.
    - `group` begins after the end of `together`, and less than USUAL_MIN_MS after the
      start of `together`.
    - Each of the two speakers needs only one line.
    """
    first, last = together[0][0], together[-1][-1]
    lines = [*wrap(together[-1]), *wrap(group)]
    return (
        len(together) < MAX_LINES
        and len(lines) == MAX_LINES
        and max(map(len, lines)) + len(DASH) <= MAX_LINE_LENGTH
        and group[0].speaker != last.speaker
        and group[0].start >= last.end
        and group[0].start - first.start < USUAL_MIN_MS
    )


def lines_of(together: list[list[Word]], speakers: bool) -> list[str]:
    """Return the lines of a cue. Unnamed speakers who share a cue get dashes."""
    dash = "" if speakers or len(together) == 1 else DASH
    return [f"{dash}{line}" for group in together for line in wrap(group)]


def split_word(word: Word) -> list[Word]:
    """Cut a word that is longer than a line.

    In a language without spaces, one "word" can be a whole text. An accent or a vowel
    sign stays with its letter. An emoji is not cut.
    """
    text = re.sub(r"\s+", " ", word.text)
    if len(text) <= MAX_LINE_LENGTH:
        return [word._replace(text=text)]
    parts = [""]
    for letter in regex.findall(r"\X", text):
        if parts[-1] and len(parts[-1]) + len(letter) > MAX_LINE_LENGTH:
            parts.append("")
        parts[-1] += letter
    span = (word.end - word.start) / len(parts)
    bounds = [word.start + round(number * span) for number in range(len(parts) + 1)]
    return [
        word._replace(
            text=part, start=start, end=end, space=word.space if number == 0 else ""
        )
        for number, (part, (start, end)) in enumerate(
            zip(parts, pairwise(bounds), strict=True)
        )
    ]


def starts_new_cue(group: list[Word], word: Word) -> bool:
    last = group[-1]
    return (
        word.start - last.end >= PAUSE_MS
        or len(wrap([*group, word])) > MAX_LINES
        # After a sentence, start a new cue if this cue has lasted USUAL_MIN_MS.
        or (
            last.text.endswith(SENTENCE_ENDS)
            and word.start - group[0].start >= USUAL_MIN_MS
        )
    )


def wrap(group: list[Word]) -> list[str]:
    """Wrap the words into lines of at most MAX_LINE_LENGTH characters.

    A longer word has its own line.
    """
    lines: list[list[Word]] = [[]]
    for word in group:
        if lines[-1] and len(join_words([*lines[-1], word])) > MAX_LINE_LENGTH:
            lines.append([])
        lines[-1].append(word)
    return [join_words(line) for line in lines]


# Subtitle files


def clock(ms: int, mark: str) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms % 1000:03}"


def srt(cues: list[Cue]) -> str:
    """Return the SRT file.

    An invisible word joiner after `<` and `{` keeps players from reading markup there.
    """
    blocks = []
    for number, cue in enumerate(cues, start=1):
        text = re.sub(r"([<{])", "\\1\N{WORD JOINER}", "\n".join(cue.lines))
        times = f"{clock(cue.start, ',')} --> {clock(cue.end, ',')}"
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def vtt(cues: list[Cue]) -> str:
    """Return the WebVTT file, with `&`, `<` and `>` escaped. See w3.org/TR/webvtt1"""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        text = "\n".join(cue.lines).replace("&", "&amp;")
        text = text.replace("<", "&lt;").replace(">", "&gt;")
        times = f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}"
        blocks.append(f"{times}\n{text}\n")
    return "\n".join(blocks)
