"""Prepare a transcript's words for reading: turns, paragraphs, doubtful words.

The words are AssemblyAI's list, unchanged: any field may be missing or invalid.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString

# Confidence from 0 to 1. Most words of a clear call are above 0.9.
DOUBTFUL_BELOW = 0.5
# Start a new paragraph after this silence…
PAUSE_MS = 2000
# …or at the end of a sentence after this many words, or after this many in any case.
LONG_WORDS, LONGEST_WORDS = 80, 200
ENDS = (".", "?", "!", "…", "。", "？", "！", "।", "؟")
# Ignore later times: after a week, or a second after the end of the audio.
LATEST_MS, MARGIN_MS = 7 * 24 * 3600 * 1000, 1000


class Word(NamedTuple):
    text: str
    start: int  # ms; where AssemblyAI says none, the end of the word before
    end: int
    confidence: float | None
    speaker: str


class Turn(NamedTuple):
    """One speaker's words until another one speaks, or one paragraph of them."""

    speaker: str  # empty: unknown, or the same as that of the turn before
    words: list[Word]

    @property
    def clock(self) -> str:
        return clock(self.words[0].start)

    @property
    def html(self) -> SafeString:
        # Escaped in one go: word by word, three hours take a tenth of a second. There
        # is no line break in a word.
        text = escape("\n".join(word.text for word in self.words))
        return SafeString(f"<span>{text.replace(chr(10), '</span> <span>')}</span>")


def words_of(listed: Any, seconds: float = 0) -> list[Word]:
    """Return the words that have a text, with estimates for missing values.

    seconds: length of the audio, if known. Times are clipped to it.
    """
    latest = seconds * 1000 + MARGIN_MS if seconds else LATEST_MS
    words: list[Word] = []
    before = 0
    for each in listed if isinstance(listed, list) else []:
        if not isinstance(each, dict):
            continue
        text = " ".join(str(each.get("text") or "").split())
        if not text:
            continue
        start = _between(each.get("start"), 0, latest)
        begins = before if start is None else int(start)
        before = max(begins, int(_between(each.get("end"), 0, latest) or 0))
        confidence = _between(each.get("confidence"), 0, 1)
        words.append(Word(text, begins, before, confidence, _speaker(each)))
    return words


def turns_of(words: list[Word]) -> Iterator[Turn]:
    """Give words without a speaker the speaker of the word before."""
    turn: list[Word] = []
    speaking = named = ""
    for word in words:
        speaker = word.speaker or speaking
        if turn and (speaker != speaking or _begins_anew(turn, word)):
            yield Turn("" if speaking == named else speaking, turn)
            turn, named = [], speaking
        speaking = speaker
        turn.append(word)
    if turn:
        yield Turn("" if speaking == named else speaking, turn)


def doubtful(words: list[Word], below: float = DOUBTFUL_BELOW) -> list[Word]:
    """Return whether a word is doubtful. Without a confidence it is not."""
    return [
        word
        for word in words
        if word.confidence is not None and word.confidence < below
    ]


def for_the_player(words: list[Word]) -> dict[str, list[Any]]:
    """Return the data of each word for reading.js."""
    sure = [word.confidence for word in words]
    return {
        "starts": [word.start for word in words],
        "sure": [None if each is None else round(each, 3) for each in sure],
    }


def clock(ms: float) -> str:
    """Format milliseconds as `1:05`, or `2:01:05` from one hour."""
    minutes, seconds = divmod(int(ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _begins_anew(turn: list[Word], word: Word) -> bool:
    last = turn[-1]
    return (
        word.start - last.end >= PAUSE_MS
        or (len(turn) >= LONG_WORDS and last.text.endswith(ENDS))
        or len(turn) >= LONGEST_WORDS
    )


def _speaker(word: dict[str, Any]) -> str:
    """Return the name of a speaker. With several channels it is the channel."""
    speaker, channel = word.get("speaker"), word.get("channel")
    if speaker and str(speaker) != str(channel):
        return f"Speaker {speaker}"
    return f"Channel {channel}" if channel else ""


def _between(value: Any, least: float, most: float) -> float | None:
    """Return the number, or None if it is invalid or impossible."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if least <= value <= most else None
