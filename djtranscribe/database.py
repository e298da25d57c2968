"""How our processes use their database connections."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from django.db import Error, connection

# Maximum number of database connections in the pool that the threads of a worker share.
# worker/waking.py uses one more connection.
MAX_CONNECTIONS = 8
# Prepare a statement when it has run this often on a connection (default of psycopg).
PREPARE_AFTER = 5


def share_connections() -> None:
    """Let all threads of this process share a few connections to PostgreSQL.

    Only the worker calls this, before its threads start. In a web server, each thread
    keeps its own connection, which is faster.
    """
    if connection.vendor == "postgresql":
        connection.close()
        options: dict[str, Any] = connection.settings_dict
        options["CONN_MAX_AGE"] = 0
        options["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": MAX_CONNECTIONS,
            "timeout": 10,
            "max_idle": 60,
        }


def close_connections() -> None:
    """Close this thread's connection and the pool, before the worker process ends."""
    connection.close()
    if connection.vendor == "postgresql":
        shared: Any = connection
        shared.close_pool()


def release_connection() -> None:
    """Return a shared connection to the pool, so that other threads can use it.

    Call this before the thread waits. Do nothing without a pool or in a transaction.
    """
    is_shared = "pool" in connection.settings_dict["OPTIONS"]
    if is_shared and not connection.in_atomic_block:
        # Ignore errors: the pool discards a broken connection.
        with suppress(Error):
            connection.close()


def lock_until_commit(name: str) -> None:
    """Let no other transaction with this name continue until this transaction ends.

    SQLite needs no lock here: its IMMEDIATE transactions wait for each other.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])


def set_up_connection(connection: Any, **kwargs: Any) -> None:
    """Set up each new connection. Django's signal `connection_created` calls this."""
    if connection.vendor == "postgresql":
        if connection.pool:
            # This is a worker process, see `share_connections`.
            prepare_statements(connection)
        else:
            disable_parallel_and_jit(connection)


def prepare_statements(connection: Any) -> None:
    """Let PostgreSQL parse a repeated statement only once, and plan it less often.

    Do nothing behind PgBouncer or another pooler, see `is_direct`.
    """
    if is_direct():
        connection.connection.prepare_threshold = PREPARE_AFTER


@contextmanager
def prepared_statements() -> Iterator[None]:
    """Prepare the statements of webhooks, because webhooks repeat their statements.

    Pages do not use this: PostgreSQL may reuse the plan of a prepared statement, but
    each search needs its own plan.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor():
        prepare_statements(connection)
    try:
        yield
    finally:
        driver: Any = connection
        if driver.connection:
            driver.connection.prepare_threshold = None


@cache
def is_direct() -> bool:
    """Return whether we connect to PostgreSQL without a pooler, such as PgBouncer.

    A pooler may run each statement on another connection, where nothing is prepared.
    A pooler invents a process ID for the driver. Compare this ID with the real ID.
    """
    driver: Any = connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return bool(cursor.fetchone() == (driver.connection.info.backend_pid,))


def disable_parallel_and_jit(connection: Any) -> None:
    """Turn off parallel workers and JIT, because they make our queries slower.

    - A search in a million recordings takes 16 ms, but 140 ms with parallel workers.
    - Adding up the prices of 40,000 calls takes 370 ms, but 1,130 ms with JIT.

    Do not set these as connection options, because PgBouncer refuses such options.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
