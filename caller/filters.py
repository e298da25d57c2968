from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest

from caller import phone_numbers
from caller.models import Call, Recording
from caller.models.call import CallQuerySet
from djtranscribe.adminsite.filters import Choice, Length, Stored


class Operator(Stored):
    title = "operator"
    parameter_name = "operator"
    column = Call.requested_by.field
    path = "requested_by"


class State(Choice):
    """Filter by final status. The other statuses last only minutes."""

    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rests = (Call.Status.UNKNOWN, *Call.FINISHED)
        return [
            ("under-way", "Under way"),
            *((str(status), str(status.label)) for status in rests),
        ]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Call]:
        calls = cast(CallQuerySet, queryset)
        if chosen == "under-way":
            return calls.unfinished().exclude(status=Call.Status.UNKNOWN)
        return calls.filter(status=chosen)


class Country(Stored):
    title = "country"
    parameter_name = "country"
    column = Call.country_code.field
    path = "country_code"

    def label(self, value: str) -> str:
        return phone_numbers.country_name(value)


class KeywordList(Stored):
    title = "keyword list"
    parameter_name = "keywords"
    column = Call.vocabulary.field
    path = "vocabulary"


class CallLength(Length):
    measure = Call.LENGTH


class RecordingLength(Length):
    measure = Recording.LENGTH


class Origin(Choice):
    """Filter by where a recording comes from. Twilio's many sources count as one."""

    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("call", "A call"), ("file", "A file"), ("url", "An address")]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        if chosen == "call":
            return queryset.filter(call__isnull=False)
        return queryset.filter(source=chosen)
