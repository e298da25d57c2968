"""Pagination of lists, newest first.

A page starts after the last row of the previous page. There is no offset and no total.
So page 1,000 is as fast as page 1. New rows do not move old rows to another page.
Only search results have an offset, because they are ranked (see `offset`).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import wraps
from typing import Annotated, Any, TypeVar

from django.db.models import Model, Q, QuerySet, TextChoices
from django.http import HttpRequest
from ninja import Schema
from ninja.errors import HttpError
from pydantic import AfterValidator, Field
from pydantic_core import CoreSchema
from pydantic_core.core_schema import literal_schema

Row = TypeVar("Row", bound=Model)
MAX_KEY = 2**63 - 1


def in_utc(moment: datetime) -> datetime:
    """Convert a time to UTC. A time without an offset is taken as UTC.

    Raises ValueError if the year is not between 1970 and 9998.
    """
    # Refuse years that are far from today: near the years 1 and 9999, converting to
    # another time zone overflows.
    if not 1970 <= moment.year < 9999:
        raise ValueError("the year must be between 1970 and 9998")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def storable(text: str) -> str:
    """Return the text. Raises ValueError for NUL and lone surrogates.

    PostgreSQL cannot store NUL, and UTF-8 has no lone surrogates.
    """
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it contains half of a surrogate pair")
    return text


@dataclass(frozen=True)
class OneOf:
    """Annotation for a parameter that must be one of these choices."""

    choices: type[TextChoices]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return literal_schema(self.choices.values)


Moment = Annotated[datetime, AfterValidator(in_utc)]
Text = Annotated[str, AfterValidator(storable)]


class Parameters(Schema):
    """Base class for the parameters in a query string."""


class Page(Parameters):
    limit: int = Field(50, ge=1, le=200, description="Rows per page.")
    cursor: str | None = Field(
        None,
        max_length=200,
        description="`next_cursor` of the previous page. Do not change the other "
        "parameters.",
    )


class Period(Page):
    since: Moment | None = Field(
        None,
        description="Created at or after this time, such as 2026-11-23T10:00:00Z. "
        "Without an offset, it is UTC.",
    )
    until: Moment | None = Field(None, description="Created before this time.")

    def within(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Return the rows that were created in this period."""
        if self.since:
            rows = rows.filter(created_at__gte=self.since)
        if self.until:
            rows = rows.filter(created_at__lt=self.until)
        return rows


def page_of(rows: QuerySet[Row], page: Page) -> tuple[list[Row], str | None]:
    """Return the rows, and the cursor of the next page if there is one."""
    if page.cursor:
        at, pk = position(page.cursor)
        rows = rows.filter(Q(created_at__lt=at) | Q(pk__lt=pk), created_at__lte=at)
    found = list(rows.order_by("-created_at", "-pk")[: page.limit + 1])
    if len(found) <= page.limit:
        return found, None
    last: Any = found[page.limit - 1]
    return found[: page.limit], encode_cursor(
        f"{last.created_at.isoformat()} {last.pk}"
    )


# A cursor needs no signature: a page with a forged cursor only starts at another row.


def encode_cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    return urlsafe_b64decode(cursor.encode() + b"===").decode("ascii")


def position(cursor: str) -> tuple[datetime, int]:
    try:
        at, pk = decode_cursor(cursor).split(" ")
        return in_utc(datetime.fromisoformat(at)), key(pk)
    except (ValueError, OverflowError):
        raise invalid_cursor() from None


def offset(cursor: str | None) -> int:
    """Return the index of the page's first row in a ranked list: 0 without a cursor."""
    try:
        return key(decode_cursor(cursor)) if cursor else 0
    except ValueError:
        raise invalid_cursor() from None


def key(digits: str) -> int:
    number = int(digits)
    if not 0 <= number <= MAX_KEY:
        raise ValueError
    return number


def invalid_cursor() -> HttpError:
    return HttpError(422, "cursor: use next_cursor of the previous page.")


def reject_unknown_parameters(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse unknown parameters, so that a typing mistake is noticed."""

    @wraps(view)
    def strict(request: HttpRequest, *args: Any, **values: Any) -> Any:
        known: set[str] = set()
        for value in values.values():
            if isinstance(value, Parameters):
                known |= type(value).model_fields.keys()
        if request.GET.keys() - known:
            names = ", ".join(sorted(known)) or "none"
            raise HttpError(
                422, f"Unknown parameter. This URL has the parameters: {names}."
            )
        return view(request, *args, **values)

    return strict
