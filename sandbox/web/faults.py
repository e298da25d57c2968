"""Rules that make requests fail on purpose, set with POST /_sandbox/faults."""

import re
import threading
from typing import Any

# The kinds of faults, with an example of the value where it matters.
KINDS = (
    # The stand-in does not handle the request: it creates no call and no job.
    "status",  # {"status": 503}: answer with status 503, and with "headers" and "body"
    "hang",  # {"hang": 5}: wait 5 s, then close the connection without an answer
    "reset",  # reset the connection at once
    # The stand-in handles the request. But its answer is lost, late or cut off.
    "reset_after",  # close the connection without an answer
    "hang_after",  # {"hang_after": 5}: wait 5 s, then send the answer
    "truncate",  # {"truncate": 9}: send 9 bytes of the body, and close the connection
    # The stand-in does not handle the request.
    "html",  # answer with a page in HTML
)


class Faults:
    """Rules for faults. The first rule that matches a request applies.

    A rule is ``{"do": {kind: value, ...}}``, with these optional keys:
    - ``method``: such as "POST"
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
    if not isinstance(rule, dict):
        raise ValueError("a rule is a JSON object")
    unknown = set(rule) - {"method", "path", "times", "skip", "do"}
    if unknown:
        raise ValueError(f"unknown key in a rule: {', '.join(sorted(unknown))}")
    do = rule.get("do")
    if not isinstance(do, dict) or not any(kind in do for kind in KINDS):
        raise ValueError(f"'do' needs one of: {', '.join(KINDS)}")
    unknown = set(do) - {*KINDS, "headers", "body"}
    if unknown:
        raise ValueError(f"unknown key in 'do': {', '.join(sorted(unknown))}")
    try:
        re.compile(rule.get("path", ""))
    except re.error as error:
        raise ValueError(f"'path' is not a regular expression: {error}") from error
    return {
        "method": rule.get("method"),
        "path": rule.get("path", ""),
        "times": rule.get("times"),
        "skip": rule.get("skip", 0),
        "do": do,
        "hits": 0,
    }
