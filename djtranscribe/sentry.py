"""Send errors to Sentry, without numbers, words and secrets. Only with SENTRY_DSN.

What leaves this site is what our own log says: the type of an exception and where it
was raised, never its message, which may quote people's words.
"""

from typing import Any

import sentry_sdk

from djtranscribe.logs import without_numbers

# Of an event: what says where and when, and nothing about a request or a person.
KEPT = {
    *("event_id", "timestamp", "platform", "level", "logger", "release", "environment"),
    *("server_name", "sdk", "modules", "exception", "logentry", "transaction"),
}


def connect(dsn: str) -> None:
    sentry_sdk.init(
        dsn=dsn,
        before_send=discreet,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        # Breadcrumbs are queries, requests to vendors and log lines.
        max_breadcrumbs=0,
        traces_sample_rate=0,
        auto_session_tracking=False,
    )


def discreet(event: Any, hint: dict[str, Any]) -> Any:
    """Return the event without what may name or quote somebody."""
    event = {name: value for name, value in event.items() if name in KEPT}
    for error in (event.get("exception") or {}).get("values") or []:
        error["value"] = ""
        error.pop("mechanism", None)
    if entry := event.get("logentry"):
        said = entry.get("formatted") or entry.get("message") or ""
        event["logentry"] = {"message": without_numbers(said)}
    if path := event.get("transaction"):
        event["transaction"] = without_numbers(path)
    return event
