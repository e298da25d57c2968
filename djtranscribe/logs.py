"""Format and filter log lines, which consist of pairs such as `call=<uuid>`.

No line contains a phone number, a token, or words that somebody said or searched for.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.utils import timezone

DIAL_PATH = re.compile(r"/dial/[^\s\"']*")
# A link for a new password is secret: it works until it is used, at most an hour.
RESET_PATH = re.compile(r"/password-reset/[^\s\"']+")
# Query strings of some pages, which may contain phone numbers and search terms.
QUERY_STRING = re.compile(r"(/(?:admin|api|search)/[^\s\"'?]*)\?[^\s\"']*")
# A phone number in any path. Clients may invent URLs such as /api/calls/14155551234.
NUMBER_IN_PATH = re.compile(
    r"(?<=/)(?:\+|%2B)?[0-9(][0-9 ().-]{6,20}(?=[/?\s\"']|$)", re.I
)


@contextmanager
def log_only_warnings() -> Iterator[None]:
    """Log only warnings and errors, while a command shows its own progress."""
    names = ["caller", "transcription"]
    levels = [
        (logging.getLogger(name), logging.getLogger(name).level) for name in names
    ]
    for logger, _ in levels:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)


class UrlRedactionFilter(logging.Filter):
    """Remove phone numbers, search terms and secrets from the URLs that Django logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            # Django sometimes passes an exception as an argument. Omit its message.
            record.args = tuple(
                type_and_code(arg) if isinstance(arg, BaseException) else arg
                for arg in record.args
            )
        record.msg = redact_urls(record.getMessage())
        record.args = ()
        return True


class RefusedRequestFilter(logging.Filter):
    """Log a request that is answered 4xx in one line, as a warning.

    Django logs some of them as errors with a traceback. Then any visitor could fill the
    log, for example with requests that have too many fields.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 500) < 500:
            # Change the record itself: Sentry reads it after this handler.
            record.exc_info = None
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def redact_urls(text: str) -> str:
    """Remove phone numbers, search terms and secrets from the URLs in a text."""
    if "/" not in text:
        return text
    text = RESET_PATH.sub("/password-reset/…", DIAL_PATH.sub("/dial/…", text))
    return NUMBER_IN_PATH.sub("…", QUERY_STRING.sub(r"\1?…", text))


class LineFormatter(logging.Formatter):
    """Log the type and traceback of an exception, but not its message.

    The message may contain people's words. For example, PostgreSQL's errors quote rows.
    """

    def format(self, record: logging.LogRecord) -> str:
        # Another handler may have stored a traceback here. It contains the exception's
        # message. Remove this traceback, so that logging calls our formatException.
        record.exc_text = None
        return super().format(record)

    def formatTime(  # noqa: N802 - a method of logging.Formatter
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """Return the time in ISO 8601. It is in TIME_ZONE, not in the user's zone."""
        zone = timezone.get_default_timezone()
        moment = datetime.fromtimestamp(record.created, zone)
        return moment.isoformat(timespec="milliseconds")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as in logging.Formatter
        error: BaseException | None = ei[1]
        chain: list[BaseException] = []
        while error and error not in chain:
            chain.append(error)
            context = None if error.__suppress_context__ else error.__context__
            error = error.__cause__ or context
        return "\n".join(
            "".join(traceback.format_tb(each.__traceback__)) + type_and_code(each)
            for each in reversed(chain)
        )


class JsonFormatter(LineFormatter):
    """Log the same as `LineFormatter`, but as JSON, for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def type_and_code(error: BaseException) -> str:
    """Return the error's type and number: `psycopg.errors.UniqueViolation (23505)`.

    If the error has no number, return only its type.
    """
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    for number in ("sqlstate", "sqlite_errorname", "errno"):
        if known := getattr(error, number, None):
            return f"{name} ({known})"
    return name
