"""Rules that make requests fail on purpose, set with POST /_sandbox/faults."""

import re
import threading
from collections.abc import Callable
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What a value must be: a description for the error message, and the check.
Expected = tuple[str, Callable[[Any], bool]]
TRUE: Expected = ("true", lambda value: value is True)
ANYTHING: Expected = ("any value", lambda value: True)
COUNT: Expected = (
    "a whole number, at least 0",
    lambda value: type(value) is int and value >= 0,
)
SECONDS: Expected = (
    "seconds, from 0 to 3600",
    lambda value: type(value) in (int, float) and 0 <= value <= 3600,
)
# The kinds of faults, with an example of the value where it matters.
KINDS: dict[str, Expected] = {
    # The stand-in does not handle the request: it creates no call and no job.
    # {"status": 503}: answer with status 503, and with "headers" and "body"
    "status": (
        "a status from 200 to 599",
        lambda value: type(value) is int and 200 <= value <= 599,
    ),
    "hang": SECONDS,  # {"hang": 5}: wait 5 s, then close without an answer
    "reset": TRUE,  # reset the connection at once
    # The stand-in handles the request. But its answer is lost, late or cut off.
    "reset_after": TRUE,  # close the connection without an answer
    "hang_after": SECONDS,  # {"hang_after": 5}: wait 5 s, then send the answer
    # {"truncate": 9}: send 9 bytes of the body, and close the connection
    "truncate": COUNT,
    # The stand-in does not handle the request.
    "html": TRUE,  # answer with a page in HTML
}
ANSWER: dict[str, Expected] = {
    "headers": (
        "an object of texts",
        lambda value: (
            isinstance(value, dict)
            and all(isinstance(text, str) for text in value.values())
        ),
    ),
    "body": ANYTHING,
}
RULE: dict[str, Expected] = {
    "method": (
        f"null, or one of: {', '.join(METHODS)}",
        lambda value: value in (None, *METHODS),
    ),
    "path": ("a text", lambda value: isinstance(value, str)),
    "times": (
        f"null, or {COUNT[0]}",
        lambda value: value is None or COUNT[1](value),
    ),
    "skip": COUNT,
    "do": (
        f"an object with one of: {', '.join(KINDS)}",
        lambda value: isinstance(value, dict) and bool(KINDS.keys() & value),
    ),
}


class Faults:
    """Rules for faults. The first rule that matches a request applies.

    A rule is ``{"do": {kind: value, ...}}``, with these optional keys:
    - ``method``: such as "POST" (null: any method)
    - ``path``: a regex, searched for in the request's path without the query
    - ``times``: how often the rule applies (null: always)
    - ``skip``: how many matching requests pass first
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[dict[str, Any]] = []

    def add(self, rules: list[dict[str, Any]]) -> None:
        """Add the rules. If one is invalid, add none and raise ValueError."""
        checked = [_checked(rule) for rule in rules]
        with self._lock:
            self._rules += checked

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(rule) for rule in self._rules]

    def take(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the fault for this request, or None. Update the rules' counters."""
        with self._lock:
            for rule in self._rules:
                if rule["method"] not in (None, method):
                    continue
                if not re.search(rule["path"], path):
                    continue
                if rule["skip"]:
                    rule["skip"] -= 1
                    continue
                if rule["times"] == 0:
                    continue
                if rule["times"] is not None:
                    rule["times"] -= 1
                rule["hits"] += 1
                do: dict[str, Any] = rule["do"]
                return do
        return None


def _checked(rule: Any) -> dict[str, Any]:
    if not isinstance(rule, dict) or "do" not in rule:
        raise ValueError("a rule is a JSON object with the key 'do'")
    _check(rule, RULE)
    _check(rule["do"], {**KINDS, **ANSWER})
    try:
        re.compile(rule.get("path", ""))
    except re.error as error:
        raise ValueError(f"'path' is not a regular expression: {error}") from error
    defaults = {"method": None, "path": "", "times": None, "skip": 0}
    return {**defaults, **rule, "hits": 0}


def _check(values: dict[str, Any], expected: dict[str, Expected]) -> None:
    for key, value in values.items():
        if key not in expected:
            raise ValueError(f"unknown key '{key}', known are: {', '.join(expected)}")
        description, is_valid = expected[key]
        if not is_valid(value):
            raise ValueError(f"'{key}' must be {description}. It is {value!r}.")
