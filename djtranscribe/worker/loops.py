"""Threads that repeat one kind of work until they are stopped, even after errors."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import Error, close_old_connections, connection

from djtranscribe.database import release_connection

logger = logging.getLogger("djtranscribe.worker")

# Seconds to wait if there is no work. Each pause is twice as long as the one before.
MIN_PAUSE, MAX_PAUSE = 1.0, 15.0
RETRY_SECONDS = 1.0  # before a retry after an error


class Loop(threading.Thread):
    """Thread that calls `work` again and again.

    work() returns whether it found something to do. If there was nothing, the thread
    waits for `woken`, at most MAX_PAUSE seconds. Errors are logged and not raised.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        stopping: threading.Event,
        woken: threading.Event,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.work, self.stopping, self.woken = work, stopping, woken

    def run(self) -> None:
        pause = MIN_PAUSE
        while not self.stopping.is_set():
            # Clear `woken` before self.work(). If new work is added during self.work(),
            # `woken` is set again, and the thread does not wait.
            self.woken.clear()
            try:
                close_old_connections()
                has_worked = self.work()
            except Exception as error:
                log_and_reconnect(self.name, error)
                self.stopping.wait(RETRY_SECONDS)
                continue
            finally:
                release_connection()
            if has_worked:
                pause = MIN_PAUSE
            else:
                self.woken.wait(pause)
                pause = min(pause * 2, MAX_PAUSE)
        close_connection()


@contextmanager
def message_context() -> Iterator[None]:
    """Context manager in which a message runs, with a working database connection.

    Errors are logged and not raised, so the message is not retried. For calls,
    transcripts and deletions, maintenance.py queues a new message later.
    """
    try:
        close_old_connections()
        yield
    except Exception as error:
        log_and_reconnect("work", error)
    finally:
        release_connection()


def log_and_reconnect(what: str, error: Exception) -> None:
    why = "database=away" if isinstance(error, Error) else "unforeseen"
    # djtranscribe.logs omits the exception's message, which may quote people's words.
    logger.error("%s=failed %s", what, why, exc_info=error)
    close_connection()


def close_connection() -> None:
    with suppress(Exception):
        connection.close()
