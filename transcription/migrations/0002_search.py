"""The full-text index: a generated column on PostgreSQL, FTS5 and triggers on SQLite.

The database updates the index, so code that writes `text` does not have to.
"""

from typing import Any

from django.db import migrations


# Make PostgreSQL find the same words as SQLite. 'simple' neither stems words nor drops
# any. Everything except letters and digits becomes a space: otherwise PostgreSQL's
# parser would find hosts, e-mail addresses and decimals. Latin letters lose their
# accents. The text is cut after about eight hours of speech: a tsvector holds at most
# one megabyte, and PostgreSQL would reject the whole row.
POSTGRESQL = r"""
ALTER TABLE transcription_transcript ADD COLUMN search_vector tsvector
    GENERATED ALWAYS AS (
        to_tsvector('pg_catalog.simple', regexp_replace(normalize(translate(lower(
            regexp_replace(
                normalize(left(text, 400000), NFD),
                '([A-Za-z])[\u0300-\u036f]+', '\1', 'g'
            )
        ), 'ςµ', 'σμ'), NFC), '[^[:alnum:]]+', ' ', 'g'))
    ) STORED;
-- Let PostgreSQL count more words. If it assumes that a rare word is frequent, it reads
-- rows from the newest to the oldest instead of the index.
ALTER TABLE transcription_transcript ALTER COLUMN search_vector SET STATISTICS 500;
-- No list of pending entries: every search would have to read it.
CREATE INDEX transcription_search ON transcription_transcript
    USING gin (search_vector) WITH (fastupdate = off);
"""

SQLITE = [
    """
    CREATE VIRTUAL TABLE transcription_search USING fts5(
        text, content='transcription_transcript', content_rowid='id',
        tokenize="unicode61 remove_diacritics 2 categories 'L* M* Nd'", prefix='2 3'
    )
    """,
    """
    CREATE TRIGGER transcription_search_insert
    AFTER INSERT ON transcription_transcript
    BEGIN
        INSERT INTO transcription_search (rowid, text) VALUES (new.id, new.text);
    END
    """,
    """
    CREATE TRIGGER transcription_search_delete
    AFTER DELETE ON transcription_transcript
    BEGIN
        INSERT INTO transcription_search (transcription_search, rowid, text)
        VALUES ('delete', old.id, old.text);
    END
    """,
    # One trigger, because SQLite runs two triggers in any order.
    """
    CREATE TRIGGER transcription_search_update
    AFTER UPDATE OF text ON transcription_transcript WHEN old.text <> new.text
    BEGIN
        INSERT INTO transcription_search (transcription_search, rowid, text)
        VALUES ('delete', old.id, old.text);
        INSERT INTO transcription_search (rowid, text) VALUES (new.id, new.text);
    END
    """,
    """
    INSERT INTO transcription_search (rowid, text)
    SELECT id, text FROM transcription_transcript
    """,
]


def make(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL)
        else:
            for statement in SQLITE:
                cursor.execute(statement)


def drop(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute(
                "ALTER TABLE transcription_transcript DROP COLUMN search_vector"
            )
        else:
            for event in ("insert", "delete", "update"):
                cursor.execute(f"DROP TRIGGER transcription_search_{event}")
            cursor.execute("DROP TABLE transcription_search")


class Migration(migrations.Migration):
    dependencies = [("transcription", "0001_initial")]

    operations = [migrations.RunPython(make, drop)]
