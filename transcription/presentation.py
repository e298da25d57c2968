"""Prepare a transcript's words for reading: turns, paragraphs, doubtful words."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString

from transcription.words import Word, join_words

# A word with a confidence (0 to 1) below this is doubtful. Most words of a clear call
# are above 0.9.
DOUBTFUL_BELOW = 0.5
# A silence of at least this length starts a new paragraph.
PAUSE_MS = 2000
# After LONG_WORDS words, a paragraph ends at the next end of a sentence. No paragraph
# has more than LONGEST_WORDS words.
LONG_WORDS, LONGEST_WORDS = 80, 200
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "।", "؟")


class Turn(NamedTuple):
    """A paragraph of one speaker's words."""

    speaker: str  # empty if unknown, or if the turn before has the same speaker
    words: list[Word]

    @property
    def clock(self) -> str:
        return clock(self.words[0].start)

    @property
    def text(self) -> str:
        return join_words(self.words)


def html_of(words: list[Word]) -> SafeString:
    """Return the words as HTML, each in a <span>."""
    if not words:
        return SafeString("")
    # One call of `escape` is faster than one per word. "\n" marks the start of a word,
    # and "\t" a space before the word. No word contains these characters.
    marked = (f"{chr(9) if word.space else ''}\n{word.text}" for word in words)
    text = str(escape("".join(marked).lstrip()))
    text = text.replace("\t\n", "</span> <span>").replace("\n", "</span><span>")
    return SafeString(f"<span>{text}</span>")


def turns_of(words: list[Word]) -> Iterator[Turn]:
    """Yield a Turn for each paragraph. A change of the speaker also ends a paragraph.

    A word without a speaker gets the speaker of the word before.
    """
    turn: list[Word] = []
    speaking = named = ""
    for word in words:
        speaker = word.speaker or speaking
        if turn and (speaker != speaking or _starts_paragraph(turn, word)):
            yield Turn("" if speaking == named else speaking, turn)
            turn, named = [], speaking
        speaking = speaker
        turn.append(word)
    if turn:
        yield Turn("" if speaking == named else speaking, turn)


def bounds_of(words: list[Word]) -> list[tuple[int, int, str]]:
    """Return (first, end, speaker) of each turn.

    first: index of the first word. end: index after the last word.
    """
    bounds, at = [], 0
    for turn in turns_of(words):
        bounds.append((at, at + len(turn.words), turn.speaker))
        at += len(turn.words)
    return bounds


def doubtful_words(words: list[Word], below: float = DOUBTFUL_BELOW) -> list[Word]:
    """Return the doubtful words. A word without a confidence is not doubtful."""
    return [
        word
        for word in words
        if word.confidence is not None and word.confidence < below
    ]


def player_data(words: list[Word]) -> dict[str, list[Any]]:
    """Return the start (ms) and the confidence of each word for the player."""
    sure = [word.confidence for word in words]
    return {
        "starts": [word.start for word in words],
        "sure": [None if each is None else round(each, 3) for each in sure],
    }


def clock(ms: float) -> str:
    """Format milliseconds as `1:05`, or as `2:01:05` from one hour on."""
    minutes, seconds = divmod(int(ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _starts_paragraph(turn: list[Word], word: Word) -> bool:
    last = turn[-1]
    return (
        word.start - last.end >= PAUSE_MS
        or (len(turn) >= LONG_WORDS and last.text.endswith(SENTENCE_ENDS))
        or len(turn) >= LONGEST_WORDS
    )
