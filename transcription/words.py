"""The words of a transcript with their times.

AssemblyAI sends a text and a list of words. The list has the time, the confidence and
the speaker of each word. Any field of the list may be missing or invalid, and the list
may differ from the text. So `original_words` takes the words from the text, and gives
each word a plausible time (word_times.py). review/current.py adds people's corrections.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from transcription.alignment import AlignedWord, ListedWord, align
from transcription.word_times import spans

if TYPE_CHECKING:
    from transcription.models import Transcript

# A week. Ignore longer times and lengths of audio, because they cannot be right.
LATEST_MS = 7 * 24 * 3600 * 1000


class Word(NamedTuple):
    text: str
    start: int  # ms
    end: int
    confidence: float | None
    speaker: str
    # The space before the word, or "" if the text has none, as between Chinese words.
    space: str = " "
    # Index of this word in the original words. For a word of a correction: index of the
    # first word that the correction replaces.
    at: int = 0
    # Number of original words that the correction replaces. Without a correction, 1.
    span: int = 1
    # Primary key of the Correction that this word comes from, or 0.
    correction: int = 0


def original_words(transcript: Transcript) -> list[Word]:
    """Return the words before any correction.

    Without AssemblyAI's list of words, return [], even if there is a text.
    """
    heard = listed_words(transcript.words, transcript.channel_names or {})
    if not heard:
        return []
    words = words_of_text(
        transcript.uncorrected_text, heard, transcript.audio_seconds or 0
    )
    if len({word.speaker for word in words}) < 2:
        return words
    # If two people talk at once, show one turn after the other. In the order of time,
    # the words of both would be mixed.
    in_turns = [word for turn in turns(words) for word in turn]
    return [word._replace(at=number) for number, word in enumerate(in_turns)]


def words_of_text(text: str, heard: list[ListedWord], seconds: float = 0) -> list[Word]:
    """Return the words of the text with their times.

    If the text is empty, or has exactly the words of `heard` in any order (`_is_same`),
    return the words of `heard`.
    heard: AssemblyAI's list of words. If the list is empty, all times are estimates.
    seconds: length of the audio, 0 if unknown.
    """
    latest = seconds * 1000 if 0 < seconds * 1000 < LATEST_MS else 0
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text or _is_same(text, heard):
        words = [AlignedWord(word.text, " ", word) for word in heard]
    else:
        words = list(align(text, heard))
    return [
        Word(word.text, start, end, word.heard.confidence, speaker, word.space, number)
        for number, (word, (start, end, speaker)) in enumerate(
            zip(words, spans(words, latest), strict=True)
        )
    ]


def listed_words(
    listed: Any, names: Mapping[str, str] = MappingProxyType({})
) -> list[ListedWord]:
    """Return the words of AssemblyAI's list that have a text.

    names: {channel: speaker}, for the channels whose speaker is known.
    """
    listed = listed if isinstance(listed, list) else []
    words = [_listed_word(each, names) for each in listed if isinstance(each, dict)]
    return [word for word in words if word.text]


def turns(words: list[Word]) -> list[list[Word]]:
    """Group the words into turns, each with one speaker.

    If Bob finishes a word while Ann pauses, Ann's next word begins a new turn. If Bob
    finishes his words while Ann speaks, Ann's turn goes on.
    """
    found: list[list[Word]] = []
    open_turns: dict[str, list[Word]] = {}
    for word in sorted(words, key=lambda word: word.start):
        turn = open_turns.get(word.speaker)
        if turn is None or has_answer_between(turn[-1], word, open_turns):
            turn = open_turns[word.speaker] = []
            found.append(turn)
        turn.append(word)
    return found


def has_answer_between(
    last: Word, word: Word, open_turns: dict[str, list[Word]]
) -> bool:
    """Return whether another speaker finished a word between `last` and `word`.

    last, word: consecutive words of one speaker. open_turns: {speaker: latest turn}.
    """
    return any(
        last.end < turn[-1].end <= word.start
        for speaker, turn in open_turns.items()
        if speaker != word.speaker
    )


def join_words(words: list[Word]) -> str:
    """Return the words as one text."""
    return "".join(pieces_in(words)).strip()


def pieces_in(words: list[Word]) -> list[str]:
    """Return each word with the space before it, if any."""
    return [word.space + word.text for word in words]


def outer_punctuation(text: str) -> tuple[str, str]:
    """Return the punctuation before and after a word."""
    letters = [n for n, letter in enumerate(text) if _is_part_of_word(letter)]
    return (text[: letters[0]], text[letters[-1] + 1 :]) if letters else (text, "")


def bare_word(text: str) -> str:
    """Return a word in lower case, without the punctuation around it."""
    before, after = outer_punctuation(text)
    return text[len(before) : len(text) - len(after)].casefold()


def _is_part_of_word(letter: str) -> bool:
    # Category M: accents and vowel signs, as at the end of हिन्दी.
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


# The functions below read AssemblyAI's list of words.


def _listed_word(word: dict[str, Any], names: Mapping[str, str]) -> ListedWord:
    text = " ".join(str(word.get("text") or "").split())
    return ListedWord(
        unicodedata.normalize("NFC", text),
        number_up_to(word.get("start"), LATEST_MS),
        number_up_to(word.get("end"), LATEST_MS),
        number_up_to(word.get("confidence"), 1),
        speaker_of(word, names),
    )


def number_up_to(value: Any, most: float) -> float | None:
    """Return the value if it is a number from 0 to `most`, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value <= most else None


def speaker_of(word: dict[str, Any], names: Mapping[str, str]) -> str:
    """Return the speaker's name, or "".

    In audio with several channels, each channel counts as one speaker.
    """
    speaker, channel = word.get("speaker"), word.get("channel")
    if str(channel) in names:
        return names[str(channel)]
    if speaker and str(speaker) != str(channel):
        return f"Speaker {speaker}"
    return f"Channel {channel}" if channel else ""


def _is_same(text: str, heard: list[ListedWord]) -> bool:
    """Return whether the list has exactly the words of the text, in any order.

    If two people talk at once, the order may differ: the text has one turn after the
    other, and the list is sorted by time.
    """
    said, listed = text.split(" "), [word.text for word in heard]
    return said == listed or sorted(said) == sorted(listed)
