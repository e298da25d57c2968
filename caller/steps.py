"""A step of a call, as the call's page shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from caller.models import Call

DONE, NOW, LATER, FAILED = "done", "now", "later", "failed"
MAY_RING = (
    "The phone may be ringing, so do not call again yet. This page shows the result "
    "within a few minutes."
)


@dataclass(frozen=True)
class Retry:
    """A button next to a failed step: label, URL to POST to, required permission."""

    label: str
    url: str
    permission: str


@dataclass(frozen=True)
class Step:
    """One step of a call.

    at: when the step was reached or, for a running step, when it started.
    took: how long the step took, as text for people.
    """

    name: str
    state: str
    at: datetime | None = None
    took: str = ""
    detail: str = ""
    retry: Retry | None = None


def format_elapsed(start: datetime | None, end: datetime | None) -> str:
    """Return a text such as `< 1 s`, `4 s`, `1:05 min` or `2:10 h`.

    If a time is missing, the text is empty.
    Twilio's clock is not ours, so `end` may be before `start`. Then return `< 1 s`.
    """
    if not start or not end:
        return ""
    seconds = max(0, round((end - start).total_seconds()))
    if seconds < 60:
        return f"{seconds} s" if seconds else "< 1 s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02} h" if hours else f"{minutes}:{seconds:02} min"


def unknown_detail(call: Call) -> str:
    """Return why it is unknown whether the call was placed, or "" if it is known."""
    return f"{call.error} {MAY_RING}" if call.status == Call.Status.UNKNOWN else ""


def later_steps(*names: str) -> Iterator[Step]:
    yield from (Step(name, LATER) for name in names)
