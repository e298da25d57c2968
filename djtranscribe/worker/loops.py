"""Threads that do one kind of work until they are stopped, whatever happens."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import Error, close_old_connections, connection

from djtranscribe.database import hand_back_connection

logger = logging.getLogger("djtranscribe.worker")

# The first pause after work, and the longest. In between it doubles.
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
AGAIN_SECONDS = 1.0  # after an error


class Loop(threading.Thread):
    """Call `work` until it finds nothing to do; again when woken, and now and then.

    work() returns whether it found something. If the thread ended, the process would
    look alive and do nothing, so every error is logged and it goes on.
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
        pause = SHORTEST_PAUSE
        while not self.stopping.is_set():
            # Before the work: what is added during it is seen by the next round.
            self.woken.clear()
            try:
                close_old_connections()
                has_worked = self.work()
            except Exception as error:
                log_and_reconnect(self.name, error)
                self.stopping.wait(AGAIN_SECONDS)
                continue
            finally:
                hand_back_connection()
            if has_worked:
                pause = SHORTEST_PAUSE
            else:
                self.woken.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        close_connection()


@contextmanager
def connected() -> Iterator[None]:
    """Run a message: with a connection that works, and without raising.

    The sweep sends another message, once the lease of the row is over.
    """
    try:
        close_old_connections()
        yield
    except Exception as error:
        log_and_reconnect("work", error)
    finally:
        hand_back_connection()


def log_and_reconnect(what: str, error: Exception) -> None:
    why = "database=away" if isinstance(error, Error) else "unforeseen"
    # djtranscribe.logs leaves out the message, which may quote people's words.
    logger.error("%s=failed %s", what, why, exc_info=error)
    close_connection()


def close_connection() -> None:
    with suppress(Exception):
        connection.close()
