"""The transcripts that match a query.

SQLite and PostgreSQL find the same transcripts, except for a few phrases: see
MIN_LENGTH_FOR_LIKE in postgresql.py. Migration 0012_search_text creates the index on
Transcript.search_text. query.py parses what the user types.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL

from caller.models import Call
from transcription.models import Transcript
from transcription.search import postgresql, sqlite
from transcription.search.query import Query

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
# The SQL of our database. postgresql.py explains its names.
sql = postgresql if connection.vendor == "postgresql" else sqlite


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
        condition, params = sql.condition(query)
        condition, params = _add_operators(condition, params, query, rows)
        statement = sql.RANKED_KEYS.format(condition, MAX_RESULTS)
        with connection.cursor() as cursor:
            cursor.execute(statement, [*params, *sql.rank_parameters(query)])
            return [pk for (pk,) in cursor.fetchall()]


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
    condition, params = sql.condition(query)
    keys = sql.KEYS.format(condition)
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

    Returns the new condition and its parameters, for RANKED_KEYS.
    """
    rows = rows.order_by()
    if not query.operators and not rows.query.where:
        return condition, params
    if query.finds_calls:
        calls = query.narrow(Call.objects.order_by(), "")
        keys = list(calls.values_list("pk", flat=True)[: MAX_SELECTED_CALLS + 1])
        if len(keys) <= MAX_SELECTED_CALLS:
            parameter = sql.key_parameter(keys)
            listed = RawSQL(sql.LISTED, [parameter])  # noqa: S611 - no input in it
            of_calls = rows.filter(recording__call__in=listed)
            found = sql.key_parameter(list(of_calls.values_list("pk", flat=True)))
            return f"{condition} AND {sql.KEY_IS_LISTED}", [*params, found]
    row = RawSQL(sql.KEY, [])  # noqa: S611 - no input in it
    this = query.narrow(rows.filter(pk=row), CALL)
    statement, values = this.values("pk").query.sql_with_params()
    return f"{condition} AND EXISTS ({statement})", [*params, *values]
