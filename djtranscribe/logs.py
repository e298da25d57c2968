"""Logs are key=value lines with UUIDs; numbers, texts and tokens are kept out."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

DIALLED = re.compile(r"/dial/[^\s\"']*")
# Numbers and words that somebody looks for.
ASKED = re.compile(r"(/(?:admin|api|search)/[^\s\"'?]*)\?[^\s\"']*")
# A number where a program or a person guessed that it belongs: /api/calls/14155551234.
GUESSED = re.compile(r"(?<=/)(?:\+|%2B)?[0-9(][0-9 ().-]{6,20}(?=[/?\s\"']|$)", re.I)


@contextmanager
def quiet() -> Iterator[None]:
    """While a person waits for a command that shows its own progress."""
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


class NoNumbers(logging.Filter):
    """Django's own loggers write addresses. That of a dial holds a number, what is
    looked for stands behind a question mark, and any may be made up."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = DIALLED.sub("/dial/…", record.getMessage())
        record.msg = GUESSED.sub("…", ASKED.sub(r"\1?…", message))
        record.args = ()
        return True
