"""Search operators: `tag:billing`, `to:4155551234`, `by:ada`, `after:2026-11-01`.

They narrow a search to some calls or days. Like words, they are combined with AND and
negated with a minus.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q

from caller import phone_numbers
from caller.models import Call, Contact, Tag
from caller.notes.models import tag_name
from djtranscribe.zones import midnight

OPERATOR = re.compile(
    r'(?<!\S)(-?)(tag|to|by|after|before):(?:["“”„]([^"“”„]*)["“”„]?|(\S*))',
    re.IGNORECASE,
)
YEARS = range(1970, 2200)


class BadOperator(Exception):
    """The value after the colon is not valid, or names something that does not exist.

    str() is a sentence for the user.
    """


@dataclass(frozen=True)
class Operator:
    name: str
    value: str
    is_excluded: bool = False

    @property
    def finds_calls(self) -> bool:
        """Whether the operator selects calls: tag:, to: or by:, without a minus."""
        return self.name in ("tag", "to", "by") and not self.is_excluded

    @property
    def is_day(self) -> bool:
        return self.name in ("after", "before")

    def condition(self, path: str) -> Q:
        """Return the condition for a filter of rows. Raises BadOperator.

        path: the lookup from a row to its call, such as `recording__call__`. If it
        is empty, the condition tests the row itself.
        """
        lookup, value = self._lookup
        condition = Q(**{f"{path}{lookup}": value})
        return ~condition if self.is_excluded else condition

    @cached_property
    def _lookup(self) -> tuple[str, Any]:
        """A lookup and its value. Both are cached: one page uses them several times."""
        return _LOOKUPS[self.name](self.value)


def split_operators(typed: str) -> tuple[list[Operator], str]:
    """Return the operators in a search, and the rest of the text: the words."""
    found = [
        Operator(name.lower(), (phrase or word).strip(), bool(minus))
        for minus, name, phrase, word in OPERATOR.findall(typed)
    ]
    return found, OPERATOR.sub(" ", typed)


def _tag(value: str) -> tuple[str, Any]:
    try:
        tags = Tag.objects.filter(name=tag_name(value))
    except ValidationError:
        raise BadOperator("After tag: type a tag, as in tag:billing.") from None
    tag = tags.first()
    if tag is None:
        raise BadOperator(f"No call has the tag {value}.")
    return "pk__in", Call.tags.through.objects.filter(tag=tag).values("call")


def _to(value: str) -> tuple[str, Any]:
    if not value:
        raise BadOperator("After to: type a number or a name, as in to:4155551234.")
    if phone_numbers.is_number(value):
        calls = Call.objects.to_number(value)
        return "pk__in", calls.order_by().values("pk")
    numbers = Contact.objects.filter(name__icontains=value).some_numbers()
    if not numbers:
        raise BadOperator(f"No contact is called {value}.")
    return "other_number__in", numbers


def _by(value: str) -> tuple[str, Any]:
    user = User.objects.filter(username__iexact=value).first()
    if user is None:
        raise BadOperator(
            f"There is no account with the username {value}."
            if value
            else "After by: type a username, as in by:ada."
        )
    return "requested_by", user.pk


def _after(value: str) -> tuple[str, Any]:
    return "created_at__gte", midnight(_day("after", value))


def _before(value: str) -> tuple[str, Any]:
    return "created_at__lt", midnight(_day("before", value))


def _day(name: str, value: str) -> date:
    day = None
    with suppress(ValueError):
        day = date.fromisoformat(value)
    if day is None or day.year not in YEARS:
        raise BadOperator(f"After {name}: type a day, as in {name}:2026-11-01.")
    return day


_LOOKUPS: dict[str, Callable[[str], tuple[str, Any]]] = {
    "tag": _tag,
    "to": _to,
    "by": _by,
    "after": _after,
    "before": _before,
}
