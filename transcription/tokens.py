"""Split a text into the words of the search index. Searches use the same rules.

- A word is a run of letters, combining marks and digits. Characters such as soft
  hyphens are ignored (IGNORED). Everything else separates words.
- Case, width and the script of digits do not matter: `strasse` finds Straße.
- Accents (Latin, Greek) and vowel points (Hebrew, Arabic) do not matter: `lodz` finds
  Łódź. Vowel signs of Indian scripts are kept.
- The Turkish letters i, ı, I and İ are the same. Of the Cyrillic letters, е and ё are
  the same, and і and ї are the same. But й and и differ.
- Scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are cut into
  pairs of letters, so that any part of a text is found.

The index contains only a-z and 0-9. Other letters are encoded, so that SQLite and
PostgreSQL give the same results in every locale.
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
# Ignored inside a word: joiners, soft hyphens, zero-width spaces, Arabic tatweel.
IGNORED = "\u00ad\u200b-\u200d\u2060\ufeff\u0640"
WORD = regex.compile(
    rf"(?P<unspaced>[[{UNSPACED}]&&[\p{{L}}\p{{M}}\p{{Nd}}]]"
    rf"[[[{UNSPACED}]&&[\p{{L}}\p{{M}}\p{{Nd}}]]{IGNORED}]*)"
    rf"|[[\p{{L}}\p{{M}}\p{{Nd}}]--[{UNSPACED}]]"
    rf"[[[\p{{L}}\p{{M}}\p{{Nd}}]--[{UNSPACED}]]{IGNORED}]*",
    regex.VERSION1,
)
# A kana and its sound mark are one letter, in full width and in half width.
LETTER = regex.compile(
    "[\u3041-\u30fe][\u3099\u309a]?|[\uff66-\uff9d][\uff9e\uff9f]?|.", regex.DOTALL
)
IGNORED_LETTER = regex.compile(f"[{IGNORED}]")
# Remove accents, Hebrew points and Arabic vowels. From Cyrillic letters, remove only
# two dots, because many people write е for ё.
ACCENTS = regex.compile(
    "(?<![\u0400-\u04ff])[\u0300-\u036f]+|\u0308|[\u0591-\u05c7\u064b-\u065f\u0670]+"
)
# Latin letters that Unicode does not decompose into a base letter and an accent.
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
# Words are cut to this many letters. PostgreSQL does not index very long words.
MAX_WORD_LENGTH = 100
# The index gets at most this many characters of an encoded text. PostgreSQL's tsvector
# holds at most one megabyte.
MAX_INDEXED_LENGTH = 500_000
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Token:
    """A word or pair of letters, changed by `fold`, and its position in the text."""

    word: str
    start: int
    end: int
    # Whether this is the last letter of a text without spaces, such as 都 in 東京都.
    # The other tokens of this text are pairs of letters: 東京 and 京都.
    is_last_letter: bool = False


def tokens(text: str) -> list[Token]:
    return [token for found in WORD.finditer(text) for token in _tokens(found)]


def _tokens(found: "regex.Match[str]") -> Iterator[Token]:
    if found["unspaced"] is None:
        if word := fold(found[0]):
            yield Token(word, found.start(), found.end())
        return
    letters = [
        (letter, found.start() + each.start(), found.start() + each.end())
        for each in LETTER.finditer(found[0])
        for letter in fold(each[0])
    ]
    for (first, start, _), (second, _, end) in pairwise(letters):
        yield Token(first + second, start, end)
    for letter, start, end in letters[-1:]:
        yield Token(letter, start, end, is_last_letter=True)


@lru_cache(100_000)
def fold(word: str) -> str:
    """Return the word in lower case, in normal width and without accents.

    Digits of all scripts become 0-9. The result has at most MAX_WORD_LENGTH letters.
    """
    if word.isascii():
        return word.lower()[:MAX_WORD_LENGTH]
    word = IGNORED_LETTER.sub("", word)
    word = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).casefold())
    word = unicodedata.normalize("NFC", ACCENTS.sub("", word)).translate(BASE_LETTERS)
    return "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else letter
        for letter in word
    )[:MAX_WORD_LENGTH]


def encode(word: str) -> str:
    """Encode a result of `fold` in a-z and 0-9. Different words have different codes.

    - a-y and 0-9 stay.
    - `z` becomes `zz`.
    - Any other letter becomes `z` and its code point as four base-36 digits: `ж`
      becomes `z00ty`. The first digit is never `z`, so no such code looks like `zz`.

    For the search by prefix, a code starts with encode("ab") only if its word starts
    with `ab`.
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
    """Return the text to put into the index: codes of the words, joined by spaces."""
    pieces = text.split()
    is_usual = max(map(len, pieces), default=0) <= MAX_WORD_LENGTH
    codes = map(_short_codes if is_usual else _codes, pieces)
    whole = " ".join(filter(None, codes))
    if len(whole) <= MAX_INDEXED_LENGTH:
        return whole
    return whole[:MAX_INDEXED_LENGTH].rpartition(" ")[0]


def _codes(piece: str) -> str:
    return " ".join(encode(token.word) for token in tokens(piece))


# The cache makes `indexed` ten times as fast, because most words are repeated.
_short_codes = lru_cache(100_000)(_codes)
