"""Recognise speech with PocketSphinx: words with times, confidences and keyterms.

If Moonshine is installed, PocketSphinx only adds times and confidences to Moonshine's
words, and finds keyterms.
"""

from __future__ import annotations  # for array[int] before Python 3.12

import re
from array import array
from functools import cache, lru_cache
from itertools import islice, pairwise, product
from typing import Any

from sandbox.assemblyai import pronunciation

# PocketSphinx counts time in frames of 10 ms.
FRAME_MS = 10
# The decoder treats a keyterm as this many times likelier than another word. With
# 1,000 and many keyterms, the decoder recognised keyterms that nobody had said.
BOOST = 100.0
# Suffix of a keyterm in the decoder's dictionary. So "aspirin@term" is another entry
# than "aspirin".
MARK = "@term"
# Use at most this many pronunciations of a phrase. A phrase of two words, each with
# three pronunciations, would have nine.
MOST_WAYS = 8
# With these options, the decoder is four times as fast. Its confidences become only a
# little less reliable.
QUICK: dict[str, Any] = {
    "fwdflat": False,
    "ds": 2,
    "topn": 2,
    "maxwpf": 5,
    "maxhmmpf": 3000,
}
# Options for a wider search in the aligner. The default search does not find words
# with a guessed pronunciation.
WIDE = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80}

Word = dict[str, Any]


def decoder(**options: Any) -> Any:
    """Return a new decoder. This takes 0.4 s."""
    # Import this late: the web server imports this module, but needs no decoder.
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", **options)


@cache
def thorough() -> Any:
    return decoder()


@cache
def quick() -> Any:
    return decoder(**QUICK)


@cache
def _aligner() -> Any:
    return decoder(**WIDE)


@lru_cache(maxsize=2)
def biased(terms: tuple[str, ...]) -> Any:
    """Return a decoder that prefers these keyterms."""
    found = decoder()
    tokens: dict[str, list[str]] = {}
    for term in terms:
        words = re.findall(r"[a-z0-9']+", term.lower())
        ways = [_ways(found, word) for word in words]
        # Add the phrase, and each of its words that the dictionary does not have. Add
        # no known words: "blood pressure" must not boost "blood" alone.
        for word, its_ways in zip(words, ways, strict=True):
            if not found.lookup_word(word):
                tokens.setdefault(word, its_ways)
        phrases = islice(product(*ways), MOST_WAYS)
        tokens.setdefault("_".join(words), [" ".join(phrase) for phrase in phrases])
    entries = []
    for token, ways_of_it in tokens.items():
        if not all(ways_of_it) or not ways_of_it:
            continue
        found.get_lm().add_word(f"{token}{MARK}", BOOST)
        for number, way in enumerate(ways_of_it, 1):
            suffix = f"({number})" if number > 1 else ""
            entries.append((f"{token}{MARK}{suffix}", way))
    for number, (name, way) in enumerate(entries, 1):
        # Rebuild the search only once, for the last entry.
        found.add_word(name, way, number == len(entries))
    return found


def _ways(found: Any, word: str) -> list[str]:
    """Return the pronunciations in the decoder's dictionary, or guesses."""
    ways: list[str] = []
    while way := found.lookup_word(f"{word}({len(ways) + 1})" if ways else word):
        ways.append(way)
    return ways or pronunciation.guesses(word)


def _spelled(terms: tuple[str, ...]) -> dict[str, str]:
    """Return {word in lower case: word as written in the terms}."""
    written: dict[str, str] = {}
    for word in (word for term in terms for word in term.split()):
        written.setdefault(word.lower(), word)
    return written


def words_in(
    samples: array[int], terms: tuple[str, ...] = (), listener: Any = None
) -> list[Word]:
    """Return the words. Times are in ms. `is_term`: the word is part of a keyterm."""
    listener = listener or (biased(terms) if terms else thorough())
    written = _spelled(terms)
    words: list[Word] = []
    for token, start, end, probability in _segments(listener, samples):
        said = token.removesuffix(MARK).split("_")
        # Divide the time of a phrase equally among its words.
        times = [start + (end - start) * n // len(said) for n in range(len(said) + 1)]
        is_term = token.endswith(MARK)
        for text, (begins, ends) in zip(said, pairwise(times), strict=True):
            words.append(
                {
                    "text": written.get(text, text) if is_term else text,
                    "start": begins * FRAME_MS,
                    "end": ends * FRAME_MS,
                    "confidence": _confidence(probability),
                    "is_term": is_term,
                }
            )
    return words


def aligned(samples: array[int], words: list[str]) -> list[tuple[int, int]] | None:
    """Return start and end of each word in ms, or None if a word was not found.

    words: in lower case, without punctuation.
    """
    aligner = _aligner()
    for word in words:
        if not aligner.lookup_word(word):
            ways = pronunciation.guesses(word)
            if not ways:
                return None
            aligner.add_word(word, ways[0], True)
    aligner.set_align_text(" ".join(words))
    found = list(_segments(aligner, samples))
    if [token for token, *_ in found] != words:
        return None
    return [(start * FRAME_MS, end * FRAME_MS) for _, start, end, _ in found]


def _segments(listener: Any, samples: array[int]) -> list[tuple[str, int, int, float]]:
    """Return (token, first frame, frame after the last, probability). Skip silence."""
    listener.start_utt()
    listener.process_raw(samples.tobytes(), full_utt=True)
    listener.end_utt()
    if listener.hyp() is None:
        return []
    return [
        # Remove the number of the pronunciation: "the(2)" becomes "the".
        (each.word.split("(")[0], each.start_frame, each.end_frame + 1, each.prob)
        for each in listener.seg()
        if each.word[0] not in "<[+("
    ]


def _confidence(probability: float) -> float:
    """Turn PocketSphinx's probability of a word into a confidence like AssemblyAI's.

    PocketSphinx's probabilities are low: most right words have 0.05 or more, most wrong
    words less. The fourth root turns 0.05 into 0.47.
    """
    spread: float = max(0.0, min(1.0, probability)) ** 0.25
    return round(spread, 5)
