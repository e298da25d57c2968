"""The box above a list in admin, where one thing is looked for by what names it."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

# As people write numbers: +1 (415) 555-1234.
NUMBER_CHARACTERS = frozenset("0123456789+ ()-./")


class IdentifierSearch:
    """Mixed into a ModelAdmin, which says in `find` what is meant by what is typed."""

    def find(self, rows: QuerySet[Any], typed: str) -> QuerySet[Any]:
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        typed = search_term.strip()
        return (self.find(queryset, typed) if typed else queryset), False


def is_number(typed: str) -> bool:
    return bool(typed) and NUMBER_CHARACTERS.issuperset(typed)


def is_uuid(typed: str) -> bool:
    try:
        UUID(typed)
    except ValueError:
        return False
    return True
