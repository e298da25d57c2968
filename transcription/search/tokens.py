"""How a text becomes the words of the index. A search is split by the same rules.

- A word is a run of letters, marks and digits. Everything else separates words.
- Case, width and Latin, Greek, Hebrew and Arabic accents do not matter: `strasse` finds
  Straße, `resume` résumé, `lodz` Łódź. All four i of Turkish are one letter, and so are
  е and ё. The signs of Indian scripts are letters, and й is not и.
- Scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are cut into
  pairs of letters, so that any part of a text is found.

The index contains only a-z and 0-9: other letters are encoded. So both databases, in
any locale, find the same.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import regex

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Inside of a word, but not a part of it: joiners, soft hyphens, zero-width spaces.
IGNORED = "\u00ad\u200b-\u200d\u2060\ufeff\u0640"
WORD = regex.compile(
    rf"(?P<unspaced>[[{UNSPACED}]&&[\p{{L}}\p{{M}}\p{{Nd}}]]"
    rf"[[[{UNSPACED}]&&[\p{{L}}\p{{M}}\p{{Nd}}]]{IGNORED}]*)"
    rf"|[[\p{{L}}\p{{M}}\p{{Nd}}]--[{UNSPACED}]]"
    rf"[[[\p{{L}}\p{{M}}\p{{Nd}}]--[{UNSPACED}]]{IGNORED}]*",
    regex.VERSION1,
)
# A half-width kana and its sound mark are one letter.
LETTER = regex.compile("[\uff66-\uff9d][\uff9e\uff9f]?|.", regex.DOTALL)
IGNORED_LETTER = regex.compile(f"[{IGNORED}]")
# Accents, Hebrew points, Arabic vowels. Not the breve of й.
ACCENTS = regex.compile(
    "(?<![\u0400-\u04ff])[\u0300-\u036f]+|\u0308|[\u0591-\u05c7\u064b-\u065f\u0670]+"
)
# Latin letters that Unicode does not take apart.
BASE_LETTERS = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
    }
)
# PostgreSQL does not index longer words.
LONGEST = 100
# PostgreSQL's tsvector holds one megabyte.
LONGEST_INDEXED = 500_000
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Token:
    """A word as the index has it, and its position in the text."""

    word: str
    start: int
    end: int
    # Whether it is the single letter at the end of a text without spaces. All other
    # tokens of such a text are pairs of letters.
    is_last_letter: bool = False


def tokens(text: str) -> list[Token]:
    return [token for found in WORD.finditer(text) for token in _tokens(found)]


def _tokens(found: "regex.Match[str]") -> Iterator[Token]:
    if found["unspaced"] is None:
        if word := folded(found[0]):
            yield Token(word, found.start(), found.end())
        return
    letters = [
        (letter, found.start() + each.start(), found.start() + each.end())
        for each in LETTER.finditer(found[0])
        for letter in folded(each[0])
    ]
    for (first, start, _), (second, _, end) in pairwise(letters):
        yield Token(first + second, start, end)
    for letter, start, end in letters[-1:]:
        yield Token(letter, start, end, is_last_letter=True)


@lru_cache(100_000)
def folded(word: str) -> str:
    """Return the word without case, width and accents, in at most LONGEST letters."""
    if word.isascii():
        return word.lower()[:LONGEST]
    word = IGNORED_LETTER.sub("", word)
    word = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).casefold())
    word = unicodedata.normalize("NFC", ACCENTS.sub("", word)).translate(BASE_LETTERS)
    return "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else letter
        for letter in word
    )[:LONGEST]


def encoded(word: str) -> str:
    """Return the word in a-z and 0-9. Two words never have the same code.

    Any other letter becomes `z` and its code point in four digits of base 36, of which
    the first is never `z`. A `z` becomes `zz`. So a prefix of a word stays a prefix.
    """
    if word.isascii() and word.isalnum():
        return word.replace("z", "zz")
    return "".join(map(_code, word))


@cache
def _code(letter: str) -> str:
    if letter == "z":
        return "zz"
    if letter.isascii() and letter.isalnum():
        return letter
    number, code = ord(letter), ""
    for _ in range(4):
        number, digit = divmod(number, 36)
        code = DIGITS[digit] + code
    return f"z{code}"


def indexed(text: str) -> str:
    """Return the codes of all words, separated by spaces: what the index is made of."""
    pieces = text.split()
    is_usual = max(map(len, pieces), default=0) <= LONGEST
    codes = map(_short_codes if is_usual else _codes, pieces)
    whole = " ".join(filter(None, codes))
    if len(whole) <= LONGEST_INDEXED:
        return whole
    return whole[:LONGEST_INDEXED].rpartition(" ")[0]


def _codes(piece: str) -> str:
    return " ".join(encoded(token.word) for token in tokens(piece))


# Most words of a text are repeated: ten times as fast.
_short_codes = lru_cache(100_000)(_codes)
