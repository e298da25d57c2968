"""The full-text index: a generated column on PostgreSQL, FTS5 and triggers on SQLite.

Neither is a field of the model: who writes `text` need not think of the search.
"""

from typing import Any

from django.db import migrations


# 'simple' neither stems nor drops words, as SQLite does. What is no letter or digit
# becomes a space first, since PostgreSQL's parser would see hosts, e-mail addresses and
# decimals where SQLite sees words; Latin letters lose their accents, as they do there.
# Cut at some eight hours of speech: a tsvector holds one megabyte, and a text that did
# not fit would be refused with its transcript.
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
-- Of so many more words PostgreSQL then knows how frequent they are. Taken for frequent,
-- a rare word is looked for from the newest row down to the oldest, not in the index.
ALTER TABLE transcription_transcript ALTER COLUMN search_vector SET STATISTICS 500;
-- Without the list of pending entries, which every search would have to read through.
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
    # In one trigger, since SQLite runs two in any order.
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
