"""Filters for admin lists of large tables.

Some of admin's own filters are slow there: they run DISTINCT on the whole table, or
list all users.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import connection
from django.db.models import F, Field, QuerySet, TextChoices
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils import timezone

from djtranscribe.zones import midnight

# A filter offers at most this many values of a column: nobody reads a longer list.
MAX_CHOICES = 300


def values_in(field: Field[Any, Any]) -> list[Any]:
    """Return the distinct non-empty values of a column, at most MAX_CHOICES.

    The query jumps from value to value in an index, so the column must be the first
    column of an index.
    """
    quote = connection.ops.quote_name
    column, table = quote(str(field.column)), quote(field.model._meta.db_table)
    statement = f"""
        WITH RECURSIVE found (value) AS (
            SELECT (SELECT MIN({column}) FROM {table})
            UNION ALL
            SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > found.value)
            FROM found WHERE found.value IS NOT NULL
        )
        SELECT value FROM found WHERE value IS NOT NULL LIMIT {MAX_CHOICES}
    """  # noqa: S608 - names of our own
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall() if value != ""]


class ChoiceFilter(admin.SimpleListFilter):
    """Base class: filter by the choices of `lookups`.

    Another value in the URL causes a redirect to the list without filters.
    """

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        raise NotImplementedError

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        chosen = self.value()
        if chosen is None:
            return queryset
        if chosen not in {str(key) for key, _ in self.lookup_choices}:
            raise IncorrectLookupParameters
        return self.narrow(queryset, chosen)


class StateFilter(ChoiceFilter):
    """Filter by status: a few groups with plain names, then all exact statuses."""

    title = "status"
    parameter_name = "state"
    # For each group: name in the URL, label, statuses.
    groups: ClassVar[Sequence[tuple[str, str, Sequence[str]]]]
    # All statuses. Those that are in no group count as "In progress".
    statuses: ClassVar[type[TextChoices]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("under-way", "In progress"),
            *((key, label) for key, label, _ in self.groups),
            *((str(status), str(status.label)) for status in self.statuses),
        ]

    def choices(self, changelist: Any) -> Any:
        exact = set(map(str, self.statuses))
        for choice, key in zip(
            super().choices(changelist),
            [None, *(key for key, _ in self.lookup_choices)],
            strict=True,
        ):
            yield {**choice, "is_exact": key in exact}

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        ended = [status for _, _, statuses in self.groups for status in statuses]
        # Name the wanted statuses instead of excluding others. Then an index finds the
        # few rows that are in progress.
        statuses: dict[str, Sequence[str]] = {
            "under-way": [each for each in self.statuses if each not in ended],
            **{key: statuses for key, _, statuses in self.groups},
        }
        return queryset.filter(status__in=statuses.get(chosen, [chosen]))


class RangeFilter(ChoiceFilter):
    """Filter by ranges of a number."""

    # The number to filter by: a column or an expression. It must have an index.
    measure: ClassVar[str | Combinable]
    # For each range: name in the URL, label, lower bound, upper bound. The upper bound
    # is not part of the range. None means that there is no upper bound.
    steps: ClassVar[Sequence[tuple[str, str, float, float | None]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, label) for key, label, *_ in self.steps]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        first, end = next(step[2:] for step in self.steps if step[0] == chosen)
        measure = self.measure
        if isinstance(measure, str):
            measure = F(measure)
        queryset = queryset.alias(measure=measure).filter(measure__gte=first)
        return queryset if end is None else queryset.filter(measure__lt=end)


class LengthFilter(RangeFilter):
    title = "length"
    parameter_name = "length"
    steps = [
        ("seconds", "Under 10 seconds", 0, 10),
        ("minute", "Up to a minute", 10, 60),
        ("minutes", "1 to 5 minutes", 60, 300),
        ("longer", "5 minutes and longer", 300, None),
    ]


class ColumnValueFilter(ChoiceFilter):
    """Filter by the values in an indexed column, also of a related table."""

    column: ClassVar[Field[Any, Any]]
    # Lookup path from the list's model to `column`.
    path: ClassVar[str]

    def label(self, value: Any) -> str:
        return str(value)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        field = self.column
        values = values_in(field)
        if field.related_model:
            rows = field.related_model._default_manager.in_bulk(values)
            labels = [(key, str(row)) for key, row in rows.items()]
        else:
            labels = [(value, self.label(value)) for value in values]
        return sorted(labels, key=lambda each: each[1])

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset.filter(**{self.path: chosen})


class DateRangeFilter(admin.FieldListFilter):
    """Filter by first and last day, with links for the usual periods."""

    template = "admin/dates_filter.html"
    FIRST, LAST = "from", "to"
    hidden: list[tuple[str, str]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "date"

    def expected_parameters(self) -> list[str | None]:
        return [self.FIRST, self.LAST]

    def day(self, parameter: str) -> date | None:
        """Return the day in this URL parameter. Raises ValueError if it is not a day.

        Returns None if the parameter is missing or empty.
        """
        typed = self.used_parameters.get(parameter)
        if isinstance(typed, list):
            typed = typed[-1]
        return date.fromisoformat(str(typed)) if typed else None

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        first, last = self.day(self.FIRST), self.day(self.LAST)
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": midnight(first)})
        if last:
            end = midnight(last + timedelta(days=1))
            queryset = queryset.filter(**{f"{self.field_path}__lt": end})
        return queryset

    def choices(self, changelist: Any) -> Any:
        mine = {self.FIRST, self.LAST}
        self.hidden = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in mine
            for value in values
        ]
        self.first, self.last = self.day(self.FIRST), self.day(self.LAST)
        yield {
            "selected": not (self.first or self.last),
            "query_string": changelist.get_query_string(remove=[*mine]),
            "display": "Any date",
        }
        chosen = (self.first, self.last)
        periods: dict[tuple[date | None, date | None], str] = {
            (first, last): label
            for label, first, last in preset_periods(timezone.localdate())
        }
        if any(chosen):
            label = f"{self.first or 'The beginning'} to {self.last or 'now'}"
            periods.setdefault(chosen, label)
        for (first, last), label in periods.items():
            # A value of None removes the parameter from the query string.
            days = {self.FIRST: first and first.isoformat()}
            days |= {self.LAST: last and last.isoformat()}
            yield {
                "selected": chosen == (first, last),
                "query_string": changelist.get_query_string(days),
                "display": label,
            }


def preset_periods(today: date) -> list[tuple[str, date, date]]:
    yesterday = today - timedelta(days=1)
    return [
        ("Today", today, today),
        ("Yesterday", yesterday, yesterday),
        ("Past 7 days", today - timedelta(days=6), today),
        ("Past 30 days", today - timedelta(days=29), today),
    ]
