"""Full-text search over all transcripts, with the same results on both databases.

The syntax: words, "an exact phrase", -not, prefix*. Migration 0012_search_text creates
the index, of Transcript.search_text. See tokens.py for what a word is.
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
from transcription.search.tokens import encoded, tokens

# Rank only the newest matches. Otherwise a very common word would read a million rows
# to show twenty.
RANKED = 1000
LONGEST_MS = 5000
QUERY_CANCELED = "57014"
MAX_TERMS = 20
MAX_LENGTH = 300
# In longer texts PostgreSQL may drop positions: it keeps 256 per word, and none above
# 16,383. So phrases are also searched for in the column itself.
LENGTH_WITH_ALL_POSITIONS = 8000

TERM = re.compile(r'(-?)(?:["“”„]([^"“”„]*)["“”„]?|([^\s"“”„]+))')


@dataclass(frozen=True)
class Term:
    """A word or a phrase. In a prefix, the last word may continue."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False

    @property
    def codes(self) -> list[str]:
        """The words as they are in the index."""
        return [encoded(word) for word in self.words]

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
        if term := _term(phrase or word, word.endswith("*"), bool(minus)):
            terms.append(term)
    return Query(tuple(dict.fromkeys(terms))[:MAX_TERMS])


def _term(typed: str, is_prefix: bool, is_excluded: bool) -> Term | None:
    found = tokens(typed)
    if found and found[-1].is_last_letter:
        # In a text, more letters may follow: only the pairs before it are certain. A
        # letter alone is the beginning of a pair.
        if len(found) > 1 and not found[-2].is_last_letter:
            found.pop()
        else:
            is_prefix = True
    words = tuple(token.word for token in found)
    return Term(words, is_prefix, is_excluded) if words else None


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


# Encoded words contain only a-z and 0-9, so the functions below need no escaping.


def _fts5(query: Query) -> str:
    def expression(terms: list[Term], operator: str) -> str:
        return f" {operator} ".join(
            f'"{" ".join(term.codes)}"{" *" if term.is_prefix else ""}'
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
            params.append(f"% {' '.join(term.codes)}{end}")
    return " AND ".join(conditions), params


_WORDS = "search_vector @@ %s::tsquery"
# CASE, unlike OR, is evaluated in order, so the text is read only where needed.
_PHRASE = f"""
    CASE WHEN {_WORDS} THEN true
         WHEN length(search_text) < {LENGTH_WITH_ALL_POSITIONS} THEN false
         ELSE ' ' || search_text || ' ' LIKE %s END
"""


def _tsquery(terms: list[Term], operator: str = " & ") -> str:
    def lexemes(term: Term) -> list[str]:
        quoted = [f"'{code}'" for code in term.codes]
        return [*quoted[:-1], quoted[-1] + (":*" if term.is_prefix else "")]

    return operator.join(lexeme for term in terms for lexeme in lexemes(term))
