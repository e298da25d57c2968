"""SQL that is compiled once per process, for statements that run for each phone call.

Django compiles a queryset to SQL each time the queryset runs. For a short statement,
compiling takes several times as long as everything else. So webhooks and workers
compile a statement once, with a `Parameter` for each value that changes.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.expressions import Value
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row", bound=models.Model)


class Parameter(Value):
    """Placeholder for a value in a queryset. The value is passed when a Statement runs.

    name: the keyword argument of `Statement.first` or `update` that has the value.
    field: the field that converts the value for the database.
    plus: a duration to add to the value (a time). `parameter + timedelta(...)` sets
    `plus`.
    """

    def __init__(self, name: str, field: Any, plus: timedelta | None = None) -> None:
        super().__init__(name, output_field=field)
        self.name, self.plus = name, plus

    def __add__(self, other: Any) -> Any:
        plus = (self.plus or timedelta()) + other
        return Parameter(self.name, self.output_field, plus)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def prepare(self, values: dict[str, Any]) -> Any:
        """Return the value as the database's driver needs it."""
        value = values[self.name]
        if self.plus:
            value += self.plus
        return self.output_field.get_db_prep_save(value, connection)


class Statement(Generic[Row]):
    """The compiled SELECT of a queryset or, with `columns`, the UPDATE of its rows.

    `first` and `update` take the value of each Parameter as a keyword argument.
    """

    def __init__(self, rows: models.QuerySet[Row], **columns: Any) -> None:
        query: Any = rows.query
        if columns:
            query = query.chain(UpdateQuery)
            query.add_update_values(columns)
        self.model = rows.model
        self.sql, self.params = query.get_compiler(rows.db).as_sql()

    def prepare(self, values: dict[str, Any]) -> list[Any]:
        """Return the parameters of the SQL."""
        return [
            each.prepare(values) if isinstance(each, Parameter) else each
            for each in self.params
        ]

    def first(self, **values: Any) -> Row | None:
        """Run the SELECT. Return its first row."""
        rows = self.model._default_manager.raw(self.sql, self.prepare(values))
        return next(iter(rows), None)

    def update(self, **values: Any) -> int:
        """Run the UPDATE. Return the number of rows."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.prepare(values))
            return int(cursor.rowcount)


def update(
    model: type[models.Model], where: dict[str, Any], columns: dict[str, Any]
) -> int:
    """Do the same as `filter(**where).update(**columns)`. Return the number of rows.

    where: columns and their values.
    columns: the new values. A value may be an expression, such as F("jobs") + 1. Do not
    write F("jobs") + count: each different count would be compiled and cached.
    """
    expressions = tuple(
        (name, value if hasattr(value, "resolve_expression") else None)
        for name, value in columns.items()
    )
    statement = _update(
        model,
        tuple((name, value is None) for name, value in where.items()),
        expressions,
    )
    old = {f"old_{name}": value for name, value in where.items()}
    return statement.update(**columns, **old)


@lru_cache(maxsize=256)
def _update(
    model: type[models.Model],
    where: tuple[tuple[str, bool], ...],
    columns: tuple[tuple[str, Any], ...],
) -> Statement[Any]:
    """Return the statement of `update`.

    where: pairs (column, whether its value is None).
    columns: pairs (column, expression), or (column, None) if the new value is passed
    to `Statement.update`.
    """
    field = model._meta.get_field
    old = {
        name: None if is_null else Parameter(f"old_{name}", field(name))
        for name, is_null in where
    }
    rows = model._default_manager.order_by().filter(**old)
    values = {name: each or Parameter(name, field(name)) for name, each in columns}
    return Statement(rows, **values)


def insert(row: models.Model) -> None:
    """Save a new row. This does not set `row.pk` and sends no signals."""
    sql, fields = _insert(type(row))
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@lru_cache(maxsize=16)
def _insert(model: type[models.Model]) -> tuple[str, list[models.Field[Any, Any]]]:
    """Return the SQL of `insert`, and the fields whose values it needs."""
    quote = connection.ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES ({values})", fields  # noqa: S608
