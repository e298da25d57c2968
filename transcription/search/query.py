"""A search as a user types it: its syntax, and the parsed query.

The syntax: words, "an exact phrase", -not, prefix*, and operators (operators.py). The
rules for words are in transcription/tokens.py. finding.py finds the transcripts.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from transcription.search.operators import Operator, split_operators
from transcription.tokens import encode, tokens

MAX_TERMS = 20
MAX_OPERATORS = 8
MAX_LENGTH = 300
TERM = re.compile(r'(-?)(?:["“”„]([^"“”„]*)["“”„]?|([^\s"“”„]+))')


@dataclass(frozen=True)
class Term:
    """A word or a phrase. If `is_prefix`, the last word is only the start of a word."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False

    @property
    def codes(self) -> list[str]:
        """The words as they are in the index."""
        return [encode(word) for word in self.words]

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
    operators: tuple[Operator, ...] = ()

    @property
    def included(self) -> list[Term]:
        return [term for term in self.terms if not term.is_excluded]

    @property
    def excluded(self) -> list[Term]:
        return [term for term in self.terms if term.is_excluded]

    def __bool__(self) -> bool:
        """Whether the query has an operator, or a word that is not excluded.

        A query with neither would match nearly all rows.
        """
        return bool(self.included or self.operators)

    def narrow(self, rows: QuerySet[Any], path: str) -> QuerySet[Any]:
        """Return the rows that match the operators. Raises BadOperator.

        In a query with `tag:`, `to:` or `by:` (see `finds_calls`), `after:` and
        `before:` compare with the day of the call. In other queries, they compare with
        the day of the row.

        path: the lookup from a row to its call, such as `recording__call__`. It is
        empty if the rows are calls.
        """
        for operator in self.operators:
            is_of_rows = operator.is_day and not self.finds_calls
            rows = rows.filter(operator.condition("" if is_of_rows else path))
        return rows

    @property
    def finds_calls(self) -> bool:
        return any(operator.finds_calls for operator in self.operators)


def parse(text: str) -> Query:
    """Parse a search. Never raises: text that is no operator or word is skipped.

    Everything beyond MAX_LENGTH, MAX_TERMS and MAX_OPERATORS is skipped, too. The
    values of operators are not checked here.
    """
    text = unicodedata.normalize("NFC", text[:MAX_LENGTH])
    operators, text = split_operators(text)
    terms = []
    for minus, phrase, word in TERM.findall(text):
        if term := _term(phrase or word, word.endswith("*"), bool(minus)):
            terms.append(term)
    return Query(
        tuple(dict.fromkeys(terms))[:MAX_TERMS],
        tuple(dict.fromkeys(operators))[:MAX_OPERATORS],
    )


def _term(typed: str, is_prefix: bool, is_excluded: bool) -> Term | None:
    found = tokens(typed)
    if found and found[-1].is_last_letter:
        if len(found) > 1 and found[-2].end == found[-1].end:
            # A search for 東京 has the tokens 東京 and 京. Drop 京: a text with 東京都
            # must be found, and has only the tokens 東京, 京都 and 都.
            found.pop()
        else:
            # A search for only 京 finds all tokens that start with 京.
            is_prefix = True
    words = tuple(token.word for token in found)
    return Term(words, is_prefix, is_excluded) if words else None
