"""Full-text search over all transcripts, with the same results on both databases.

The syntax: words, "an exact phrase", -not, prefix*. Migration 0002_search creates the
index.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from transcription.models import Transcript

# Rank only the newest matches. Otherwise a very common word would read a million rows
# to show twenty.
RANKED = 1000
LONGEST_MS = 5000
QUERY_CANCELED = "57014"
MAX_TERMS = 20
MAX_LENGTH = 300
# In longer texts PostgreSQL may drop positions: it keeps 256 per word, and none above
# 16,383. So phrases are also searched for in the text itself.
LENGTH_WITH_ALL_POSITIONS = 8000

TERM = re.compile(r'(-?)(?:["“”„]([^"“”„]*)["“”„]?|([^\s"“”„]+))')
MARKS = re.compile("[\u0300-\u036f]")


class Folding(dict[int, str]):
    """Table for str.translate: fold case and accents, replace other signs by a space.

    Each character becomes exactly one character, so positions in the folded text are
    also positions in the original.
    """

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        category = unicodedata.category(letter)
        folded = " "
        if category[0] in "LM" or category == "Nd":
            base = unicodedata.normalize("NFD", letter)[0].lower()
            folded = base if base.isascii() else letter.lower()[0]
        self[code] = folded
        return folded


FOLDING = Folding({ord("ς"): "σ", ord("Σ"): "σ", ord("µ"): "μ"})

# The same folding that 0002_search applies to a text before it is indexed.
FOLDED = r"""
    regexp_replace(normalize(translate(lower(
        regexp_replace(
            normalize(text, NFD), '([A-Za-z])[\u0300-\u036f]+', '\1', 'g'
        )
    ), 'ςµ', 'σμ'), NFC), '[^[:alnum:]]+', ' ', 'g')
"""


@dataclass(frozen=True)
class Token:
    """A word as the index stores it, and its position in the text."""

    word: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    found = re.finditer(r"\S+", text.translate(FOLDING))
    return [Token(MARKS.sub("", each[0]), each.start(), each.end()) for each in found]


@dataclass(frozen=True)
class Term:
    """A word or a phrase. In a prefix, the last word may continue."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False

    def found_in(self, words: list[str], start: int) -> bool:
        """Whether the term occurs in these words at index `start`."""
        end = start + len(self.words)
        *firsts, last = words[start:end] or [""]
        if end > len(words) or tuple(firsts) != self.words[:-1]:
            return False
        wanted = self.words[-1]
        return last.startswith(wanted) if self.is_prefix else last == wanted


@dataclass(frozen=True)
class Query:
    terms: tuple[Term, ...]

    @property
    def wanted(self) -> list[Term]:
        return [term for term in self.terms if not term.is_excluded]

    @property
    def excluded(self) -> list[Term]:
        return [term for term in self.terms if term.is_excluded]

    def __bool__(self) -> bool:
        """Whether a term is wanted: the index cannot answer exclusions alone."""
        return bool(self.wanted)


def parse(text: str) -> Query:
    """Parse a search. Never raises: anything that is not a term is skipped."""
    text = unicodedata.normalize("NFC", text[:MAX_LENGTH])
    terms = []
    for minus, phrase, word in TERM.findall(text):
        words = tuple(token.word for token in tokens(phrase or word) if token.word)
        if words:
            terms.append(Term(words, word.endswith("*"), bool(minus)))
    return Query(tuple(dict.fromkeys(terms))[:MAX_TERMS])


def ranked(query: Query) -> list[int]:
    """Return the keys of at most RANKED matching transcripts, the best first.

    Raises TooFrequent if the search takes longer than LONGEST_MS.
    """
    condition, params = _condition(query)
    if connection.vendor == "postgresql":
        params = [*params, _tsquery(query.wanted)]
    with _time_limit(), connection.cursor() as cursor:
        cursor.execute(_STATEMENTS[connection.vendor].format(condition, RANKED), params)
        return [pk for (pk,) in cursor.fetchall()]


class TooFrequent(Exception):
    """The words are so frequent that the search took longer than LONGEST_MS."""


@contextmanager
def _time_limit() -> Iterator[None]:
    """Stop a slow search on PostgreSQL, which other users share.

    Raises TooFrequent after LONGEST_MS. SQLite has no limit.
    """
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                limit = "SELECT set_config('statement_timeout', %s, true)"
                cursor.execute(limit, [str(LONGEST_MS)])
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != QUERY_CANCELED:
            raise
        raise TooFrequent from error


def matching(transcripts: QuerySet[Transcript], query: Query) -> QuerySet[Transcript]:
    """Filter these transcripts by the query and keep their order."""
    condition, params = _condition(query)
    keys = _KEYS[connection.vendor].format(condition)
    # The user's input is in the parameters, never in the SQL.
    return transcripts.filter(pk__in=RawSQL(keys, params))  # noqa: S611


_KEYS = {
    "postgresql": "SELECT id FROM transcription_transcript WHERE {}",
    "sqlite": "SELECT rowid FROM transcription_search WHERE {}",
}
_STATEMENTS = {
    "postgresql": """
        SELECT id FROM (
            SELECT id, search_vector FROM transcription_transcript
            WHERE {} ORDER BY id DESC LIMIT {}
        ) AS newest
        ORDER BY ts_rank(search_vector, %s::tsquery, 1) DESC, id DESC
    """,
    "sqlite": """
        SELECT rowid FROM (
            SELECT rowid, bm25(transcription_search) AS score
            FROM transcription_search
            WHERE {} ORDER BY rowid DESC LIMIT {}
        ) ORDER BY score, rowid DESC
    """,
}


def _condition(query: Query) -> tuple[str, list[str]]:
    if connection.vendor == "postgresql":
        return _postgresql(query)
    return "transcription_search MATCH %s", [_fts5(query)]


# Words contain only letters and digits, so the two functions below need no escaping.


def _fts5(query: Query) -> str:
    def expression(terms: list[Term], operator: str) -> str:
        return f" {operator} ".join(
            f'"{" ".join(term.words)}"{" *" if term.is_prefix else ""}'
            for term in terms
        )

    wanted = expression(query.wanted, "AND")
    if not query.excluded:
        return wanted
    return f"({wanted}) NOT ({expression(query.excluded, 'OR')})"


def _postgresql(query: Query) -> tuple[str, list[str]]:
    # Filter by the words of phrases first, because the index can answer that.
    conditions, params = [_WORDS], [_tsquery(query.wanted)]
    for term in query.terms:
        is_phrase = len(term.words) > 1
        if is_phrase or term.is_excluded:
            condition = _PHRASE if is_phrase else _WORDS
            conditions.append(f"NOT ({condition})" if term.is_excluded else condition)
            params.append(_tsquery([term], " <-> "))
        if is_phrase:
            end = "%" if term.is_prefix else " %"
            params.append(f"% {' '.join(term.words)}{end}")
    return " AND ".join(conditions), params


_WORDS = "search_vector @@ %s::tsquery"
# CASE, unlike OR, is evaluated in order, so the text is folded only where needed.
_PHRASE = f"""
    CASE WHEN {_WORDS} THEN true
         WHEN length(text) < {LENGTH_WITH_ALL_POSITIONS} THEN false
         ELSE ' ' || {FOLDED} || ' ' LIKE %s END
"""


def _tsquery(terms: list[Term], operator: str = " & ") -> str:
    def lexemes(term: Term) -> list[str]:
        quoted = [f"'{word}'" for word in term.words]
        return [*quoted[:-1], quoted[-1] + (":*" if term.is_prefix else "")]

    return operator.join(lexeme for term in terms for lexeme in lexemes(term))
