"""Compute the changes that replace a word or phrase in a whole transcript."""

from collections.abc import Iterator
from itertools import groupby

from transcription.models import Transcript
from transcription.review.current import Change, words_of
from transcription.review.rules import Refused, clean_text
from transcription.words import Word, bare_word, outer_punctuation


def find_replacements(
    transcript: Transcript, wanted: str, replacement: str
) -> list[Change]:
    """Return the changes that replace a word or phrase in the whole transcript.

    - The search ignores case and the punctuation around words.
    - The punctuation before and after the replaced phrase is kept.
    - An empty `replacement` removes the words with their punctuation.
    - A place that already has the replacement is skipped: replacing "blood" by "blood
      test" does not change "blood test".

    Raises Refused.
    """
    sought = [bare_word(each) for each in clean_text(wanted).split()]
    replacement = clean_text(replacement)
    if not sought or not all(sought):
        raise Refused("Write a word or phrase to look for.")
    words = words_of(transcript)
    texts = [word.text for word in words]
    touched: list[Change] = []
    bare_words = [bare_word(text) for text in texts]
    wished = [bare_word(each) for each in replacement.split()]
    for first, last in _places(bare_words, sought):
        if _is_replaced(bare_words, first, sought, wished):
            continue
        texts[first] = _keep_punctuation(texts[first], texts[last], replacement)
        texts[first + 1 : last + 1] = [""] * (last - first)
        begin, end = words[first].at, words[last].at + words[last].span
        if touched and touched[-1].last > begin:
            # A saved correction has words of both the last change and this place.
            # Extend the last change, because changes must not overlap.
            touched[-1] = touched[-1]._replace(last=end)
        else:
            touched.append(Change(begin, end, ""))
    return list(_with_texts(touched, words, texts))


def _places(words: list[str], sought: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the indexes of the first and the last word of each occurrence."""
    at = 0
    while at + len(sought) <= len(words):
        if words[at : at + len(sought)] == sought:
            yield at, at + len(sought) - 1
            at += len(sought)
        else:
            at += 1


def _is_replaced(
    words: list[str], first: int, sought: list[str], wished: list[str]
) -> bool:
    """Return whether the text already has the new words.

    Example: `blood` is to become `blood test`, but the text has `blood test` already.
    sought: the words to replace, such as `blood`. first: their index in `words`.
    wished: the new words, such as `blood test`.
    """
    if sought == wished:
        # For example, `blood` is to become `Blood`. In `words`, both are `blood` (see
        # `bare_word`), so we cannot know whether it is replaced already.
        return False
    starts = (first - offset for offset, _ in _places(wished, sought))
    return any(at >= 0 and words[at : at + len(wished)] == wished for at in starts)


def _with_texts(
    touched: list[Change], words: list[Word], texts: list[str]
) -> Iterator[Change]:
    """Yield the changes with their new texts.

    touched: the changes, without texts.
    words: the current words.
    texts: the new text of each word. An empty text removes the word.
    """
    pieces = iter(zip(words, texts, strict=True))
    number = {at: n for n, each in enumerate(touched) for at in range(*each[:2])}
    inside = (
        (number[word.at], word, text) for word, text in pieces if word.at in number
    )
    for at, group in groupby(inside, key=lambda each: each[0]):
        said = (word.space + text for _, word, text in group if text)
        yield touched[at]._replace(after="".join(said).strip())


def _keep_punctuation(first: str, last: str, replacement: str) -> str:
    """Return the replacement with the punctuation and the capital of the replaced text.

    If “Blood,” is replaced by “urine”, the result is “Urine,”. Words in capitals, such
    as “USA”, do not change the replacement's first letter.
    first, last: the first and the last word of the replaced text.
    """
    if not replacement:
        return ""
    before, after = outer_punctuation(first)[0], outer_punctuation(last)[1]
    is_capital = first[len(before) : len(before) + 1].isupper()
    if is_capital and first[len(before) :] != first[len(before) :].upper():
        replacement = replacement[0].upper() + replacement[1:]
    return f"{before}{replacement}{after}"
