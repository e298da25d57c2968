"""Search in admin lists by phone number, name, SID or UUID."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest


class IdentifierSearch:
    """ModelAdmin mixin: search with `find` instead of with `search_fields`."""

    def find(self, rows: QuerySet[Any], typed: str) -> QuerySet[Any]:
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        typed = search_term.strip()
        return (self.find(queryset, typed) if typed else queryset), False


def is_uuid(typed: str) -> bool:
    try:
        UUID(typed)
    except ValueError:
        return False
    return True
