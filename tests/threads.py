"""Run code in several threads at the same moment, each with its own connection."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import TypeVar

import pytest
from django.db import connection

Result = TypeVar("Result")

needs_connections = pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="SQLite in memory has no second connection; on PostgreSQL this runs",
)


def at_once(work: Callable[[], Result], threads: int = 8) -> list[Result]:
    """Run `work` in several threads at the same moment. Return all results."""
    barrier, got = Barrier(threads), []

    def one() -> None:
        barrier.wait()
        got.append(work())
        connection.close()

    started = [Thread(target=one) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return got
