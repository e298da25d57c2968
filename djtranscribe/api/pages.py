"""Lists, a page at a time, newest first.

A page begins behind the last row of the page before: no offset is counted off and no
total is counted, so that page 1,000 is as quick as page 1, and rows that are made
meanwhile push none on to another page.
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
LARGEST_KEY = 2**63 - 1


def in_utc(moment: datetime) -> datetime:
    """Take a time without an offset as UTC."""
    # Around the ends of the calendar another zone has no such time.
    if not 1970 <= moment.year < 9999:
        raise ValueError("there was nothing then")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def storable(text: str) -> str:
    """Databases refuse these with an error. JSON can write half a character."""
    if "\0" in text:
        raise ValueError("there is a NUL character in it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("there is half a character in it")
    return text


@dataclass(frozen=True)
class Word:
    """Marks a parameter that is one of these words."""

    choices: type[TextChoices]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return literal_schema(self.choices.values)


Moment = Annotated[datetime, AfterValidator(in_utc)]
Text = Annotated[str, AfterValidator(storable)]


class Parameters(Schema):
    """What may stand behind the question mark."""


class Page(Parameters):
    limit: int = Field(50, ge=1, le=200, description="Rows of a page.")
    cursor: str | None = Field(
        None,
        max_length=200,
        description="`next_cursor` of the page before. The other parameters must stay "
        "as they were.",
    )


class Period(Page):
    since: Moment | None = Field(
        None,
        description="Made at or after this time: 2026-11-23T10:00:00Z; without an "
        "offset, UTC.",
    )
    until: Moment | None = Field(None, description="Made before this time.")

    def among(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        if self.since:
            rows = rows.filter(created_at__gte=self.since)
        if self.until:
            rows = rows.filter(created_at__lt=self.until)
        return rows


def page_of(rows: QuerySet[Row], page: Page) -> tuple[list[Row], str | None]:
    """The rows, and the cursor of the next page if there is one."""
    if page.cursor:
        at, pk = position(page.cursor)
        rows = rows.filter(Q(created_at__lt=at) | Q(pk__lt=pk), created_at__lte=at)
    found = list(rows.order_by("-created_at", "-pk")[: page.limit + 1])
    if len(found) <= page.limit:
        return found, None
    last: Any = found[page.limit - 1]
    return found[: page.limit], packed(f"{last.created_at.isoformat()} {last.pk}")


# A cursor is not signed: who makes one up begins at another row of the same list.


def packed(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpacked(cursor: str) -> str:
    return urlsafe_b64decode(cursor.encode() + b"===").decode("ascii")


def position(cursor: str) -> tuple[datetime, int]:
    try:
        at, pk = unpacked(cursor).split(" ")
        return in_utc(datetime.fromisoformat(at)), key(pk)
    except (ValueError, OverflowError):
        raise not_a_cursor() from None


def offset(cursor: str | None) -> int:
    """Of a list that is ranked, and held whole: how many rows went before."""
    try:
        return key(unpacked(cursor)) if cursor else 0
    except ValueError:
        raise not_a_cursor() from None


def key(digits: str) -> int:
    number = int(digits)
    if not 0 <= number <= LARGEST_KEY:
        raise ValueError
    return number


def not_a_cursor() -> HttpError:
    return HttpError(422, "cursor: take it from next_cursor of the page before.")


def nothing_else(view: Callable[..., Any]) -> Callable[..., Any]:
    """A parameter with a typing mistake is refused, not passed over in silence."""

    @wraps(view)
    def strict(request: HttpRequest, *args: Any, **values: Any) -> Any:
        known: set[str] = set()
        for value in values.values():
            if isinstance(value, Parameters):
                known |= type(value).model_fields.keys()
        if request.GET.keys() - known:
            names = ", ".join(sorted(known)) or "none"
            raise HttpError(422, f"Parameters of this address are: {names}.")
        return view(request, *args, **values)

    return strict
