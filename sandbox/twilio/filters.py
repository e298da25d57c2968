"""Filters by date or time for Twilio's lists of calls and recordings."""

from datetime import datetime, timezone
from typing import Any


def in_range(wanted: Any, name: str, moment: datetime | None) -> bool:
    """Return whether a time fits Twilio's filters `name`, `name<` and `name>`.

    The values of filters are dates or times. Raises ValueError for other values.
    """
    given = {op: wanted.get(name + op) for op in ("", "<", ">")}
    if not any(given.values()):
        return True
    if moment is None:
        return False
    for op, text in given.items():
        if not text:
            continue
        limit, is_date = _moment(text)
        left, right = (moment.date(), limit.date()) if is_date else (moment, limit)
        fits = {"": left == right, "<": left <= right, ">": left >= right}[op]
        if not fits:
            return False
    return True


def _moment(text: str) -> tuple[datetime, bool]:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"not a date: {text}") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    return found, len(text) == len("2026-01-31")
