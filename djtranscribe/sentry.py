"""Send errors to Sentry if SENTRY_DSN is set.

An event has the type of an exception and its place in the code. An event never has the
exception's message, which may quote people's words. An event contains no phone number
and no secret.
"""

from typing import Any

import sentry_sdk
from sentry_sdk.utils import Dsn

from djtranscribe.logs import redact_urls

# Only these parts of an event are sent. Other parts may contain a request's data or the
# user.
SENT_PARTS = {
    *("event_id", "timestamp", "platform", "level", "logger", "release", "environment"),
    *("server_name", "sdk", "modules", "exception", "logentry", "transaction"),
}


def is_dsn(dsn: str) -> bool:
    try:
        Dsn(dsn)
    except ValueError:
        return False
    return True


def connect(dsn: str) -> None:
    """Send errors of this process to Sentry. Ignore a wrong DSN: a check reports it."""
    if not is_dsn(dsn):
        return
    sentry_sdk.init(
        dsn=dsn,
        before_send=redact_event,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        # Breadcrumbs would contain queries, requests to vendors and log lines.
        max_breadcrumbs=0,
        traces_sample_rate=0,
        auto_session_tracking=False,
    )


def redact_event(event: Any, hint: dict[str, Any]) -> Any:
    """Remove all parts of the event that may name or quote a person."""
    event = {name: value for name, value in event.items() if name in SENT_PARTS}
    for error in (event.get("exception") or {}).get("values") or []:
        error["value"] = ""
        error.pop("mechanism", None)
    if entry := event.get("logentry"):
        said = entry.get("formatted") or entry.get("message") or ""
        event["logentry"] = {"message": redact_urls(said)}
    if path := event.get("transaction"):
        event["transaction"] = redact_urls(path)
    return event
