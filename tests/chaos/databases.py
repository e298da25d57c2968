"""Databases for these tests. Each is a copy of a template that was migrated once."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.chaos.environment import ENVIRON, ROOT
from tests.chaos.waiting import free_port
from tests.postgresql import SERVER, url_of
from tests.tables import new_sqlite

# Create an operator with a session, and print the key of the session.
PREPARE = """
from django.contrib import auth
from django.contrib.auth.models import User
from djtranscribe.accounts.sessions import SessionStore
user = User.objects.create_superuser("operator")
session = SessionStore()
session[auth.SESSION_KEY] = str(user.pk)
session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print("session", session.session_key)
"""


def moment(value: str | datetime) -> datetime:
    """Return a time of a row as an aware datetime. On SQLite, the value is text."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


class Database:
    url = ""
    session = ""

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        raise NotImplementedError

    def execute(self, query: str, *values: Any) -> None:
        raise NotImplementedError

    def prepare(self) -> None:
        """Migrate. Create an operator and a session, and keep the session's key."""
        environ = {**ENVIRON, "DATABASE_URL": self.url}
        for command in (
            ["migrate", "--verbosity=0"],
            ["shell", "--no-imports", "--command", PREPARE],
        ):
            done = subprocess.run(
                [sys.executable, "manage.py", *command],
                check=False,
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
        self.session = done.stdout.split("session ")[1].strip()


class Sqlite(Database):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        connection = sqlite3.connect(self.path, timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            found = connection.execute(query.replace("%s", "?"), values)
            return [dict(row) for row in found]
        finally:
            connection.close()

    def execute(self, query: str, *values: Any) -> None:
        connection = sqlite3.connect(self.path, timeout=20)
        try:
            with connection:
                connection.execute(query.replace("%s", "?"), values)
        finally:
            connection.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Lock the file, as if another program used it."""
        connection = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            yield
        finally:
            connection.close()


class Postgres(Database):
    def __init__(self, url: str) -> None:
        self.url = url

    def connect(self) -> "psycopg.Connection[dict[str, Any]]":
        return psycopg.connect(
            self.url, autocommit=True, row_factory=dict_row, connect_timeout=5
        )

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self.connect() as connection:
            return connection.execute(query, values or None).fetchall()

    def execute(self, query: str, *values: Any) -> None:
        with self.connect() as connection:
            connection.execute(query, values or None)


class SqliteMaker:
    """Makes SQLite databases. `fresh` copies the migrated template."""

    def __init__(self, folder: Path) -> None:
        self.template = Sqlite(new_sqlite(folder / "template.sqlite3"))
        self.template.prepare()
        self.template.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[Database]:
        database = Sqlite(folder / "db.sqlite3")
        shutil.copy(self.template.path, database.path)
        database.session = self.template.session
        yield database

    def close(self) -> None:
        pass


class PostgresMaker:
    """Makes databases on a running server.

    Raises psycopg.OperationalError if no server answers.
    """

    def __init__(self, server: str = SERVER) -> None:
        self.server = Postgres(server)
        self.name = f"chaos_{token_hex(4)}"
        self._run("CREATE DATABASE {}", self.name)
        self.template = Postgres(url_of(self.name, server))
        self.template.prepare()

    def _run(self, statement: str, *names: str) -> None:
        with self.server.connect() as connection:
            identifiers = map(sql.Identifier, names)
            connection.execute(sql.SQL(statement).format(*identifiers))

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[Database]:
        name = f"{self.name}_{token_hex(4)}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, self.name)
        database = Postgres(url_of(name, self.server.url))
        database.session = self.template.session
        try:
            yield database
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def close(self) -> None:
        self._run("DROP DATABASE {} WITH (FORCE)", self.name)


class Cluster:
    """A PostgreSQL server that the tests start and stop."""

    def __init__(self) -> None:
        self.bin = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-pg-"))
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        shutil.chown(self.folder, "postgres")
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres")
        self.start()

    @staticmethod
    def is_possible() -> bool:
        found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        return bool(found) and os.geteuid() == 0

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", f"--log={log}", f"--options={options}")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", "--wait")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), f"--pgdata={self.folder}/data", *arguments]
        subprocess.run(
            command,
            check=True,
            user="postgres",
            group="postgres",
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop the server at once, as if its machine lost power."""
        self.stop()
        try:
            yield
        finally:
            self.start()
