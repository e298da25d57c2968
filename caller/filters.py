from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from caller import number_facts
from caller.models import Call, Recording
from djtranscribe.adminsite.filters import (
    ChoiceFilter,
    ColumnValueFilter,
    LengthFilter,
    StateFilter,
)


class OperatorFilter(ColumnValueFilter):
    title = "operator"
    parameter_name = "operator"
    column = Call.requested_by.field
    path = "requested_by"


class CallStateFilter(StateFilter):
    groups = [
        ("done", "Done", [Call.Status.COMPLETED]),
        ("not-reached", "Not reached or refused", Call.FREE),
    ]
    statuses = Call.Status


class DirectionFilter(ChoiceFilter):
    title = "direction"
    parameter_name = "direction"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, str(label)) for value, label in Call.Direction.choices]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset.filter(direction=chosen)


class CountryFilter(ColumnValueFilter):
    title = "country"
    parameter_name = "country"
    column = Call.country_code.field
    path = "country_code"

    def label(self, value: str) -> str:
        return number_facts.country_name(value)


class KeywordListFilter(ColumnValueFilter):
    title = "keyword list"
    parameter_name = "keywords"
    column = Call.vocabulary.field
    path = "vocabulary"


class TagFilter(ColumnValueFilter):
    title = "tag"
    parameter_name = "tag"
    column = Call.tags.through._meta.get_field("tag")
    path = "tags"


class CallLengthFilter(LengthFilter):
    measure = Call.LENGTH


class RecordingLengthFilter(LengthFilter):
    measure = Recording.LENGTH


class OriginFilter(ChoiceFilter):
    """Filter recordings by origin: a call, a file or a URL.

    "A call" finds the recordings that have a Call, whatever their `source` is.
    """

    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("call", "A call"), ("file", "A file"), ("url", "A URL")]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        if chosen == "call":
            return queryset.filter(call__isnull=False)
        return queryset.filter(source=chosen)
