"""Logs are key=value lines with UUIDs; numbers, texts and tokens are kept out."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

DIALLED = re.compile(r"/dial/[^\s\"']*")
# Numbers and words that somebody looks for.
ASKED = re.compile(r"(/(?:api|search)/[^\s\"'?]*)\?[^\s\"']*")


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
    """Django's own loggers write addresses. That of a dial holds a number, and what is
    looked for stands behind a question mark."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = DIALLED.sub("/dial/…", record.getMessage())
        record.msg = ASKED.sub(r"\1?…", message)
        record.args = ()
        return True
