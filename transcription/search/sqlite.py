"""The search's SQL for SQLite (FTS5). postgresql.py explains the names."""

import json

from transcription.search.query import Query, Term

KEYS = "SELECT rowid FROM transcription_search WHERE {}"
RANKED_KEYS = """
    SELECT rowid FROM (
        SELECT rowid, bm25(transcription_search) AS score
        FROM transcription_search
        WHERE {} ORDER BY rowid DESC LIMIT {}
    ) ORDER BY score, rowid DESC
"""
KEY = "transcription_search.rowid"
LISTED = "SELECT value FROM json_each(%s)"
KEY_IS_LISTED = f"{KEY} IN ({LISTED})"


def key_parameter(keys: list[int]) -> str:
    return json.dumps(keys)


def condition(query: Query) -> tuple[str, list[str]]:
    # Encoded words contain only a-z and 0-9, so they need no escaping.
    def expression(terms: list[Term], operator: str) -> str:
        return f" {operator} ".join(
            f'"{" ".join(term.codes)}"{" *" if term.is_prefix else ""}'
            for term in terms
        )

    match = expression(query.included, "AND")
    if query.excluded:
        match = f"({match}) NOT ({expression(query.excluded, 'OR')})"
    return "transcription_search MATCH %s", [match]


def rank_parameters(query: Query) -> list[str]:
    return []
