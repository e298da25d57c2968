"""The search's SQL for PostgreSQL.

sqlite.py has the same names:
- KEYS: SELECT the keys of all transcripts that match a condition.
- RANKED_KEYS: SELECT the keys of the newest matches, the best first.
- KEY: the column in KEYS and RANKED_KEYS that holds the key of a transcript.
- LISTED: SELECT the keys in a list.
- KEY_IS_LISTED: the condition that KEY is in a list.
- key_parameter: return a list of keys as one parameter, for LISTED or KEY_IS_LISTED.
  With thousands of parameters, PostgreSQL takes longer to parse the statement than to
  find the rows.
- condition: return the condition for a query, and its parameters.
- rank_parameters: return the parameters of RANKED_KEYS that follow the condition's.
"""

from transcription.search.query import Query, Term

# PostgreSQL's index may miss a phrase in a long text: it stores at most 255 positions
# of a word, and none above 16,383. For texts of at least this many characters, PHRASE
# also uses LIKE. In a shorter text, the index misses a phrase only if one of its words
# occurs more than 255 times.
MIN_LENGTH_FOR_LIKE = 8000

KEYS = "SELECT id FROM transcription_transcript AS outer_row WHERE {}"
RANKED_KEYS = """
    SELECT id FROM (
        SELECT id, search_vector FROM transcription_transcript AS outer_row
        WHERE {} ORDER BY id DESC LIMIT {}
    ) AS newest
    ORDER BY ts_rank(search_vector, %s::tsquery, 1) DESC, id DESC
"""
KEY = "outer_row.id"
LISTED = "SELECT unnest(%s::bigint[])"
KEY_IS_LISTED = f"{KEY} = ANY(%s)"

WORDS = "search_vector @@ %s::tsquery"
# Use CASE and not OR, because only CASE tests its conditions in order. So PostgreSQL
# runs the slow LIKE only if the two fast conditions are false.
PHRASE = f"""
    CASE WHEN {WORDS} THEN true
         WHEN length(search_text) < {MIN_LENGTH_FOR_LIKE} THEN false
         ELSE ' ' || search_text || ' ' LIKE %s END
"""


def key_parameter(keys: list[int]) -> list[int]:
    return keys


def condition(query: Query) -> tuple[str, list[str]]:
    # First test whether all wanted words occur: the index can answer that.
    conditions, params = [WORDS], [tsquery(query.included)]
    for term in query.terms:
        is_phrase = len(term.words) > 1
        if is_phrase or term.is_excluded:
            test = PHRASE if is_phrase else WORDS
            conditions.append(f"NOT ({test})" if term.is_excluded else test)
            params.append(tsquery([term], " <-> "))
        if is_phrase:
            end = "%" if term.is_prefix else " %"
            params.append(f"% {' '.join(term.codes)}{end}")
    return " AND ".join(conditions), params


def rank_parameters(query: Query) -> list[str]:
    return [tsquery(query.included)]


def tsquery(terms: list[Term], operator: str = " & ") -> str:
    # Encoded words contain only a-z and 0-9, so they need no escaping.
    def lexemes(term: Term) -> list[str]:
        quoted = [f"'{code}'" for code in term.codes]
        return [*quoted[:-1], quoted[-1] + (":*" if term.is_prefix else "")]

    return operator.join(lexeme for term in terms for lexeme in lexemes(term))
