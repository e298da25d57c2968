"""A search finds the same transcripts in PostgreSQL databases of all locales."""

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

LOCALES = {
    "C, collation C.UTF-8": "LC_CTYPE 'C' LC_COLLATE 'C.UTF-8'",
    # In Turkish, the lower case of I has no dot: ı.
    "ICU, Turkish": "LC_CTYPE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'tr'",
    "C.UTF-8": "LC_CTYPE 'C.UTF-8'",
}
BAD_ENCODINGS = {
    "SQL_ASCII": "ENCODING 'SQL_ASCII' LC_CTYPE 'C' LC_COLLATE 'C'",
    "LATIN1": "ENCODING 'LATIN1' LC_CTYPE 'C' LC_COLLATE 'C'",
}
# Store a text in each language, and search for words of it.
ASK = """
import json
from caller.models import Recording
from tests.transcription.search.test_search import LANGUAGES
from transcription.models import Transcript
from transcription.search.finding import ranked
from transcription.search.query import parse

recording = Recording.objects.create(status="completed")
rows = {
    language: Transcript.objects.create(recording=recording, text=text).pk
    for language, (text, _, _) in LANGUAGES.items()
}
missed = [
    language
    for language, (_, finds, misses) in LANGUAGES.items()
    if rows[language] not in ranked(parse(finds))
    or rows[language] in ranked(parse(misses))
]
print("missed:", missed)
"""


@pytest.fixture
def database():
    """Return a function that creates a database with given options, and its URL."""
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
    # Nobody listens at the vendors' URLs. doctor must still examine the database.
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


@pytest.mark.parametrize("options", LOCALES.values(), ids=LOCALES)
def test_every_language_is_found_in_any_locale(database, options):
    url = database(options)

    migrated, _ = manage(url, "migrate")
    status, said = manage(url, "shell", "--no-imports", "--command", ASK)

    assert (migrated, status) == (0, 0), said
    assert "missed: []" in said


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


def test_a_database_that_is_away_is_not_blamed_for_its_encoding():
    _, said = manage("postgres://nobody@127.0.0.1:9/none", "doctor")

    assert "bad   database: cannot be reached" in said
    assert "encoding" not in said
