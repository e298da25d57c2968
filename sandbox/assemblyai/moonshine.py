"""Recognise speech with Moonshine.

With real voices, Moonshine is more accurate than PocketSphinx. Moonshine returns
capitals and punctuation, but no times. PocketSphinx adds:
- the times (forced alignment)
- the keyterms (biased search)
- the confidences: higher for words that both recognise
huggingface.co/UsefulSensors/moonshine
"""

from __future__ import annotations  # for array[int] before Python 3.12

import re
from array import array
from difflib import SequenceMatcher
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

from sandbox.assemblyai import sound, sphinx
from sandbox.assemblyai.sphinx import Word

FULL_SCALE = 32_768
# Confidence of a word that only Moonshine has recognised.
ALONE = 0.3


@cache
def _transcriber() -> Any:
    from moonshine_voice import ModelArch, Transcriber, get_model_path

    path = str(get_model_path("tiny-en"))
    # Switch off Moonshine's search for pauses, because its result depends on earlier
    # audio. sound.pieces finds the pauses.
    return Transcriber(
        model_path=path, model_arch=ModelArch.TINY, options={"vad_threshold": 0.0}
    )


@cache
def is_installed() -> bool:
    """Return whether Moonshine can be used. It has no wheel for some systems."""
    try:
        import moonshine_voice  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def words_in(samples: array[int], terms: tuple[str, ...] = ()) -> list[Word]:
    """Do the same as sphinx.words_in, but with capitals and punctuation."""
    words: list[Word] = []
    for first, last in sound.pieces(samples):
        offset = first * 1000 // sound.RATE
        for word in _words_of_piece(samples[first:last], terms):
            word["start"] += offset
            word["end"] += offset
            words.append(word)
    return words


def _words_of_piece(samples: array[int], terms: tuple[str, ...]) -> list[Word]:
    heard = _transcriber().transcribe_without_streaming(
        [sample / FULL_SCALE for sample in samples], sound.RATE
    )
    texts = " ".join(line.text for line in heard.lines).split()
    texts = [text for text in texts if bare(text)]
    if not texts:
        return []
    checks = sphinx.words_in(samples, listener=sphinx.quick())
    words = _timed(texts, samples, checks)
    if terms:
        words = _with_terms(words, sphinx.words_in(samples, terms))
    return words


def bare(text: str) -> str:
    """Return a word as in PocketSphinx's dictionary: lower case, no punctuation."""
    return re.sub(r"[^a-z0-9']", "", text.lower()).strip("'")


def _timed(texts: list[str], samples: array[int], checks: list[Word]) -> list[Word]:
    """Return the words with their times and confidences.

    texts: the words from Moonshine. checks: the words that PocketSphinx recognises in
    the same audio.
    """
    plain = [bare(text) for text in texts]
    twins: dict[int, Word] = {}
    for number, other in _same(plain, [bare(word["text"]) for word in checks]):
        twins[number] = checks[other]
    times = sphinx.aligned(samples, plain) or _spread(plain, twins, len(samples))
    return [
        {
            "text": text,
            "start": start,
            "end": end,
            "confidence": max(ALONE, twins[number]["confidence"])
            if number in twins
            else ALONE,
            "is_term": False,
        }
        for number, (text, (start, end)) in enumerate(zip(texts, times, strict=True))
    ]


def _same(first: list[str], second: list[str]) -> list[tuple[int, int]]:
    """Return (index in first, index in second) of the words that both lists have."""
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return [
        (block.a + n, block.b + n)
        for block in matcher.get_matching_blocks()
        for n in range(block.size)
    ]


def _spread(
    words: list[str], twins: dict[int, Word], count: int
) -> list[tuple[int, int]]:
    """Estimate the times of words that could not be aligned.

    twins: {index in `words`: the same word from PocketSphinx}. count: the number of
    samples. A word with a twin gets the twin's times. The words between two twins share
    the time between these twins: a word with twice as many letters gets twice the time.
    """
    known = {number: (word["start"], word["end"]) for number, word in twins.items()}
    length = count * 1000 // sound.RATE
    times: list[tuple[int, int]] = []
    number = 0
    while number < len(words):
        if number in known:
            times.append(known[number])
            number += 1
            continue
        last = number
        while last < len(words) and last not in known:
            last += 1
        begins = times[-1][1] if times else 0
        ends = known[last][0] if last in known else length
        letters = [0, *accumulate(len(word) for word in words[number:last])]
        share = max(0, ends - begins) / letters[-1]
        marks = [round(begins + letter * share) for letter in letters]
        times += pairwise(marks)
        number = last
    return times


def _with_terms(words: list[Word], biased: list[Word]) -> list[Word]:
    """Return `words`, with some of them replaced by words of `biased`.

    biased: the words that PocketSphinx recognises if it prefers the keyterms. If there
    is no keyterm in `biased`, return `words` unchanged. Where `biased` has other words
    than `words`, use the words of `biased` if:
    - one of them is a keyterm
    - or they replace words that all have the lowest confidence (`ALONE`)
    """
    if not any(word["is_term"] for word in biased):
        return words
    plain = [bare(word["text"]) for word in words]
    other = [bare(word["text"]) for word in biased]
    matcher = SequenceMatcher(None, plain, other, autojunk=False)
    result: list[Word] = []
    for tag, begin, end, from_, to in matcher.get_opcodes():
        heard = biased[from_:to]
        is_term = any(word["is_term"] for word in heard)
        replaced = words[begin:end]
        is_unsure = replaced and all(word["confidence"] <= ALONE for word in replaced)
        if tag != "equal" and heard and (is_term or is_unsure):
            result += _written_like(replaced, heard)
        else:
            result += replaced
    return result


def _written_like(replaced: list[Word], heard: list[Word]) -> list[Word]:
    """Return `heard` with the capital and the end punctuation of `replaced`."""
    written = [dict(word) for word in heard]
    if replaced and replaced[0]["text"][:1].isupper():
        first = written[0]["text"]
        written[0]["text"] = first[:1].upper() + first[1:]
    if replaced:
        ending = re.search(r"[.,?!]*$", replaced[-1]["text"])
        written[-1]["text"] += ending[0] if ending else ""
    return written
