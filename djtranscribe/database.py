"""How our processes use their database connections."""

from contextlib import suppress
from typing import Any

from django.db import Error, connection

# Connections of one worker, however many transcripts it has in hand.
MOST_CONNECTIONS = 8


def share_connections() -> None:
    """Let all threads of this process share a few connections to PostgreSQL.

    The worker calls this before its threads start. A web server keeps one for each
    thread, which is faster.
    """
    if connection.vendor == "postgresql":
        connection.close()
        options: dict[str, Any] = connection.settings_dict
        options["CONN_MAX_AGE"] = 0
        options["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": MOST_CONNECTIONS,
            "timeout": 10,
            "max_idle": 60,
        }


def close_connections() -> None:
    """Close this thread's connection and the shared ones, before the process ends."""
    connection.close()
    if connection.vendor == "postgresql":
        shared: Any = connection
        shared.close_pool()


def hand_back_connection() -> None:
    """Let other threads have our connection, while this one waits for something."""
    is_shared = "pool" in connection.settings_dict["OPTIONS"]
    if is_shared and not connection.in_atomic_block:
        # The pool discards a broken connection.
        with suppress(Error):
            connection.close()


def plan_for_pages(connection: Any, **kwargs: Any) -> None:
    """Turn off what PostgreSQL does for long reports: parallel workers and JIT.

    Parallel workers read far more rows than the 50 of a page: 140 ms instead of 16 ms
    for a search in a million recordings. Compiling the costs of a month with 40,000
    calls takes 760 ms, running it 370. A statement, not options of the connection:
    PgBouncer refuses those.
    """
    if connection.vendor == "postgresql" and not connection.pool:
        with connection.cursor() as cursor:
            cursor.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
