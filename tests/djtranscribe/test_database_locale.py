"""A PostgreSQL database whose locale breaks searches is named, by check and doctor."""

import os
import subprocess
import sys
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.chaos.databases import SERVER
from tests.chaos.environment import ENVIRON, ROOT, not_to_be_had

pytestmark = pytest.mark.slow

BAD_LOCALES = {
    "C": "LC_CTYPE 'C'",
    "POSIX": "LC_CTYPE 'POSIX'",
    "C, collation C.UTF-8": "LC_CTYPE 'C' LC_COLLATE 'C.UTF-8'",
    # Its small I has no dot, so INFO would not be found as info.
    "ICU, Turkish": "LC_CTYPE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'tr'",
}
BAD_ENCODINGS = {
    "SQL_ASCII": "ENCODING 'SQL_ASCII' LC_CTYPE 'C' LC_COLLATE 'C'",
    "LATIN1": "ENCODING 'LATIN1' LC_CTYPE 'C' LC_COLLATE 'C'",
    "EUC_JP": "ENCODING 'EUC_JP' LC_CTYPE 'C' LC_COLLATE 'C'",
}
GOOD = {
    "C.UTF-8": "LC_CTYPE 'C.UTF-8'",
    "C.UTF-8, collation C": "LC_CTYPE 'C.UTF-8' LC_COLLATE 'C'",
    "ICU": "LC_CTYPE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
    "ICU over C": "LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'und'",
}


@pytest.fixture
def database():
    """Make a database with these options; its URL."""
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        not_to_be_had("needs a PostgreSQL server")
    made = []

    def make(options):
        name = f"locale_{os.getpid()}_{token_hex(3)}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}")
        server.execute(create.format(sql.Identifier(name), sql.SQL(options)))
        made.append(name)
        return urlsplit(SERVER)._replace(path=f"/{name}").geturl()

    yield make
    for name in made:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        server.execute(drop.format(sql.Identifier(name)))
    server.close()


def manage(url, *command):
    # No vendor is reached: doctor must name the database all the same.
    environ = {
        **ENVIRON,
        "DATABASE_URL": url,
        "TWILIO_API_URL": "http://127.0.0.1:9",
        "ASSEMBLYAI_API_URL": "http://127.0.0.1:9",
    }
    ran = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        check=False,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("options", BAD_LOCALES.values(), ids=BAD_LOCALES)
def test_a_locale_that_breaks_searches_is_named(database, options):
    url = database(options)

    status, said = manage(url, "check", "--database", "default")
    _, examined = manage(url, "doctor")

    # A warning: everything but searches works.
    assert status == 0
    assert "(djtranscribe.W001)" in said
    assert "HINT: Make a new database" in said
    assert "bad   database: Searches miss words" in examined


@pytest.mark.parametrize("options", BAD_ENCODINGS.values(), ids=BAD_ENCODINGS)
def test_an_encoding_other_than_utf8_is_refused(database, options):
    url = database(options)

    status, said = manage(url, "check", "--database", "default")
    migrated, _ = manage(url, "migrate")
    _, examined = manage(url, "doctor")

    assert status == 1
    assert migrated == 1
    assert "(djtranscribe.E002)" in said
    assert "bad   database: The database has the encoding" in examined


@pytest.mark.parametrize("options", GOOD.values(), ids=GOOD)
def test_a_good_locale_is_not_mentioned(database, options):
    url = database(options)

    status, said = manage(url, "check", "--database", "default")
    _, examined = manage(url, "doctor")

    assert status == 0
    assert "djtranscribe." not in said
    assert "Searches miss words" not in examined
    assert "encoding" not in examined


def test_a_database_that_is_away_is_not_blamed_for_its_locale():
    _, said = manage("postgres://nobody@127.0.0.1:9/none", "doctor")

    assert "bad   database: cannot be reached" in said
    assert "Searches miss words" not in said
