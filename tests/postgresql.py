"""Databases on the PostgreSQL server of the tests and benchmarks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

SERVER = os.environ.get(
    "CI_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)


def url_of(name: str, server: str = SERVER) -> str:
    """Return the URL of a database on the server."""
    return urlsplit(server)._replace(path=f"/{name}").geturl()


@contextmanager
def new_database(prefix: str, options: str = "") -> Iterator[str]:
    """Create a database, yield its URL, and drop it.

    Without a server, skip the test, or fail it in CI.

    prefix: the start of the database's name. The rest is random.
    options: SQL, the options of CREATE DATABASE.
    """
    # Import this late, because the processes of benchmarks do not need pytest.
    from tests.chaos.environment import skip_or_fail_in_ci

    name = f"{prefix}_{token_hex(4)}"
    identifier = sql.Identifier(name)
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        skip_or_fail_in_ci(f"no PostgreSQL answers: {error}")
    create = sql.SQL("CREATE DATABASE {} {}").format(identifier, sql.SQL(options))
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier)
    try:
        server.execute(create)
        try:
            yield url_of(name)
        finally:
            server.execute(drop)
    finally:
        server.close()
