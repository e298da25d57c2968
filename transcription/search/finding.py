"""The transcripts that match a query.

SQLite and PostgreSQL find the same transcripts, except for a few phrases: see
MIN_LENGTH_FOR_LIKE. Migration 0012_search_text creates the index on
Transcript.search_text. query.py parses what the user types.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL

from caller.models import Call
from transcription.models import Transcript
from transcription.search.query import Query, Term

# Rank at most this many matches, the newest ones. Otherwise a search for a very common
# word would read a million rows to show twenty.
MAX_RESULTS = 1000
# Example: `tag:billing refund`. If at most this many calls have the tag, the database
# reads only the transcripts of these calls. If more calls have the tag, the database
# first finds all transcripts with `refund`.
MAX_SELECTED_CALLS = 20_000
TIMEOUT_MS = 5000
QUERY_CANCELED = "57014"
# The lookup path from a transcript to its call.
CALL = "recording__call__"
# PostgreSQL's index may miss a phrase in a long text: it stores at most 255 positions
# of a word, and none above 16,383. For texts of at least this many characters, _PHRASE
# also uses LIKE. In a shorter text, the index misses a phrase only if one of its words
# occurs more than 255 times.
MIN_LENGTH_FOR_LIKE = 8000


def ranked_keys(query: Query, rows: QuerySet[Transcript] | None = None) -> list[int]:
    """Return the keys of at most MAX_RESULTS matching transcripts, the best first.

    rows: search only these transcripts. By default, search all.
    If the query has no words, or only excluded ones, the newest are first.
    Raises BadOperator or TooFrequent.
    """
    if rows is None:
        rows = Transcript.objects.all()
    with _time_limit():
        if not query.included:
            return _newest_keys(query, rows)
        condition, params = _add_operators(*_condition(query), query, rows)
        if connection.vendor == "postgresql":
            params = [*params, _tsquery(query.included)]
        return _select_keys(
            _STATEMENTS[connection.vendor].format(condition, MAX_RESULTS), params
        )


class TooFrequent(Exception):
    """The search took longer than TIMEOUT_MS, probably because it has many matches."""


@contextmanager
def _time_limit() -> Iterator[None]:
    """Stop a slow search on PostgreSQL, because other users share the database.

    Raises TooFrequent if a statement takes longer than TIMEOUT_MS. SQLite has no limit.
    """
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                limit = "SELECT set_config('statement_timeout', %s, true)"
                cursor.execute(limit, [str(TIMEOUT_MS)])
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != QUERY_CANCELED:
            raise
        raise TooFrequent from error


def filter_matching(
    transcripts: QuerySet[Transcript], query: Query
) -> QuerySet[Transcript]:
    """Filter these transcripts by the query and keep their order.

    Raises BadOperator.
    """
    transcripts = query.narrow(transcripts, CALL)
    if query.included:
        return transcripts.filter(pk__in=_keys(query))
    return _without_excluded(transcripts, query)


def _without_excluded(
    transcripts: QuerySet[Transcript], query: Query
) -> QuerySet[Transcript]:
    """Leave out the transcripts that contain an excluded term."""
    for term in query.excluded:
        keys = _keys(Query((replace(term, is_excluded=False),)))
        # Do not use `exclude(pk__in=keys)`: for NOT IN, PostgreSQL reads all rows.
        found = Transcript.objects.filter(pk=OuterRef("pk"), pk__in=keys)
        transcripts = transcripts.filter(~Exists(found))
    return transcripts


def _keys(query: Query) -> RawSQL:
    condition, params = _condition(query)
    keys = _KEYS[connection.vendor].format(condition)
    # The user's input is in the parameters, never in the SQL.
    return RawSQL(keys, params)  # noqa: S611


def _newest_keys(query: Query, rows: QuerySet[Transcript]) -> list[int]:
    """Return the keys of at most MAX_RESULTS rows, the newest first.

    query: has only operators and excluded words, such as `tag:billing -refund`.
    If an operator such as `tag:` selects calls, only the newest MAX_RESULTS of these
    calls are searched.
    """
    rows = _without_excluded(rows, query)
    if query.finds_calls:
        # First select the newest calls (by index). Then read only their transcripts.
        of_call = rows.order_by().filter(recording__call=OuterRef("pk"))
        calls = query.narrow(Call.objects.all(), "").filter(Exists(of_call))[
            :MAX_RESULTS
        ]
        rows = rows.filter(recording__call__in=list(calls.values_list("pk", flat=True)))
    else:
        rows = query.narrow(rows, CALL)
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:MAX_RESULTS])


def _add_operators(
    condition: str, params: list[Any], query: Query, rows: QuerySet[Transcript]
) -> tuple[str, list[Any]]:
    """Add the query's operators and the filters of `rows` to a condition.

    Returns the new condition and its parameters, for _STATEMENTS.
    """
    rows = rows.order_by()
    if not query.operators and not rows.query.where:
        return condition, params
    if query.finds_calls:
        calls = query.narrow(Call.objects.order_by(), "")
        keys = list(calls.values_list("pk", flat=True)[: MAX_SELECTED_CALLS + 1])
        if len(keys) <= MAX_SELECTED_CALLS:
            in_one = _LISTED[connection.vendor]
            listed = RawSQL(in_one, [_key_parameter(keys)])  # noqa: S611 - no input in it
            of_calls = rows.filter(recording__call__in=listed)
            found = _key_parameter(list(of_calls.values_list("pk", flat=True)))
            return f"{condition} AND {_AMONG[connection.vendor]}", [*params, found]
    row = RawSQL(_ROW[connection.vendor], [])  # noqa: S611 - no input in it
    this = query.narrow(rows.filter(pk=row), CALL)
    statement, values = this.values("pk").query.sql_with_params()
    return f"{condition} AND EXISTS ({statement})", [*params, *values]


def _key_parameter(keys: list[int]) -> Any:
    """Return the keys as one parameter, for _LISTED or _AMONG."""
    return keys if connection.vendor == "postgresql" else json.dumps(keys)


def _select_keys(statement: str, params: list[Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [pk for (pk,) in cursor.fetchall()]


_KEYS = {
    "postgresql": "SELECT id FROM transcription_transcript AS outer_row WHERE {}",
    "sqlite": "SELECT rowid FROM transcription_search WHERE {}",
}
# In _STATEMENTS, the column that holds the key of a transcript.
_ROW = {"postgresql": "outer_row.id", "sqlite": "transcription_search.rowid"}
# SQL for a list of keys in one parameter. With thousands of parameters, PostgreSQL
# takes longer to parse the statement than to find the rows.
_LISTED = {
    "postgresql": "SELECT unnest(%s::bigint[])",
    "sqlite": "SELECT value FROM json_each(%s)",
}
_AMONG = {
    "postgresql": "outer_row.id = ANY(%s)",
    "sqlite": f"transcription_search.rowid IN ({_LISTED['sqlite']})",
}
_STATEMENTS = {
    "postgresql": """
        SELECT id FROM (
            SELECT id, search_vector FROM transcription_transcript AS outer_row
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

    wanted = expression(query.included, "AND")
    if not query.excluded:
        return wanted
    return f"({wanted}) NOT ({expression(query.excluded, 'OR')})"


def _postgresql(query: Query) -> tuple[str, list[str]]:
    # First test whether all wanted words occur: the index can answer that.
    conditions, params = [_WORDS], [_tsquery(query.included)]
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
# Use CASE and not OR, because only CASE tests its conditions in order. So PostgreSQL
# runs the slow LIKE only if the two fast conditions are false.
_PHRASE = f"""
    CASE WHEN {_WORDS} THEN true
         WHEN length(search_text) < {MIN_LENGTH_FOR_LIKE} THEN false
         ELSE ' ' || search_text || ' ' LIKE %s END
"""


def _tsquery(terms: list[Term], operator: str = " & ") -> str:
    def lexemes(term: Term) -> list[str]:
        quoted = [f"'{code}'" for code in term.codes]
        return [*quoted[:-1], quoted[-1] + (":*" if term.is_prefix else "")]

    return operator.join(lexeme for term in terms for lexeme in lexemes(term))
