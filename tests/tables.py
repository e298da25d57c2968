"""Databases with all tables, and only the rows that migrations make.

A SQLite database with all tables is kept in a file until a migration changes. Later
test runs copy this file: a copy takes milliseconds, migrations take seconds.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from django.db import transaction

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".pytest_cache" / "tables"


def kept_file() -> Path:
    """Return the file with the tables of the current migrations. It may be missing."""
    digest = sha256()
    for path in sorted(ROOT.glob("*/migrations/*.py")):
        digest.update(path.read_bytes())
    return FOLDER / f"{digest.hexdigest()[:16]}.sqlite3"


def keep_tables(new: sqlite3.Connection) -> None:
    """Keep a copy of this new database, and delete older copies."""
    file = kept_file()
    # With TEST_SETTINGS, the database may have tables of additional apps.
    if file.exists() or "TEST_SETTINGS" in os.environ:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.sqlite3"):
        old.unlink(missing_ok=True)
    # Rename the file at the end: another process must never find an incomplete file.
    unfinished = FOLDER / token_hex(8)
    with closing(sqlite3.connect(unfinished)) as copy:
        new.backup(copy)
    unfinished.rename(file)


def new_sqlite(file: Path) -> Path:
    """Create this file, with all tables."""
    if kept_file().exists():
        shutil.copy(kept_file(), file)
    else:
        environ = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{file}",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=environ, check=True)
        with closing(sqlite3.connect(file)) as made:
            keep_tables(made)
    return file


@contextmanager
def sqlite_in_memory(name: str) -> Iterator[None]:
    """Copy `kept_file`, if it exists, into a new database in memory.

    Keep a connection open: without a connection, SQLite deletes the database.
    """
    with closing(sqlite3.connect(name, uri=True)) as new:
        if kept_file().exists():
            with closing(sqlite3.connect(kept_file())) as kept:
                kept.backup(new)
        yield


@contextmanager
def copied_rows(connection: Any) -> Iterator[Callable[[], None]]:
    """Copy all rows of the database. Yield a function that puts the rows back."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(":memory:")) as copy:
            connection.connection.backup(copy)
            keep_tables(copy)
            yield lambda: copy.backup(connection.connection)
        return
    # With the role `replica`, PostgreSQL runs no trigger and checks no foreign key.
    restore = "SET LOCAL session_replication_role = replica"
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA kept")
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f'CREATE TABLE kept."{name}" AS TABLE "{name}"')
            restore += f'; DELETE FROM "{name}"'
            if cursor.rowcount:
                restore += f'; INSERT INTO "{name}" TABLE kept."{name}"'

    def put_back() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(restore)

    yield put_back
