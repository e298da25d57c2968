"""Search in the notes on calls, with the same rules for words as in transcripts.

There is no index, because notes are few and short. The database compares the words of
each note.
"""

from django.db.models import QuerySet

from caller.models import Note
from transcription.search.query import Query, Term
from transcription.tokens import indexed


def search_text(text: str) -> str:
    """Return the value of Note.search_text: encoded words, with a space at each end."""
    return f" {indexed(text)} "


def matching_notes(query: Query) -> QuerySet[Note]:
    """Return the notes that match the query, newest first. Raises BadOperator."""
    notes = query.narrow(Note.objects.select_related("call", "author"), "call__")
    for term in query.terms:
        found = {"search_text__contains": _pattern(term)}
        notes = notes.exclude(**found) if term.is_excluded else notes.filter(**found)
    return notes


def _pattern(term: Term) -> str:
    end = "" if term.is_prefix else " "
    return f" {' '.join(term.codes)}{end}"
