"""A search finds the same transcripts in PostgreSQL databases of all locales."""

import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.chaos.environment import ENVIRON, ROOT
from tests.postgresql import new_database

pytestmark = pytest.mark.slow

LOCALES = {
    "C, collation C.UTF-8": "LC_CTYPE 'C' LC_COLLATE 'C.UTF-8'",
    # In Turkish, the lower case of I is ı. This must not change what is found.
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
from transcription.search.finding import ranked_keys
from transcription.search.query import parse

recording = Recording.objects.create(status="completed")
rows = {
    language: Transcript.objects.create(recording=recording, text=text).pk
    for language, (text, _, _) in LANGUAGES.items()
}
missed = [
    language
    for language, (_, finds, misses) in LANGUAGES.items()
    if rows[language] not in ranked_keys(parse(finds))
    or rows[language] in ranked_keys(parse(misses))
]
print("missed:", missed)
"""


@pytest.fixture
def database():
    """Yield a function that creates a database and returns its URL."""
    with ExitStack() as stack:

        def make(options):
            options = f"TEMPLATE template0 {options}"
            return stack.enter_context(new_database("locale", options))

        yield make


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
        timeout=240,
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
    status, said = manage(database(options), "check", "--database", "default")

    assert status == 1
    assert "(djtranscribe.E002)" in said


def test_migrate_and_doctor_also_refuse_another_encoding(database):
    url = database(BAD_ENCODINGS["SQL_ASCII"])

    migrated, _ = manage(url, "migrate")
    _, examined = manage(url, "doctor")

    assert migrated == 1
    assert "bad   database: The database has the encoding" in examined


def test_a_database_that_is_away_is_not_blamed_for_its_encoding():
    _, said = manage("postgres://nobody@127.0.0.1:9/none", "doctor")

    assert "bad   database: cannot be reached" in said
    assert "encoding" not in said
