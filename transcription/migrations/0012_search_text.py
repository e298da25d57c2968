"""Build the search index from words that Python splits, see transcription/tokens.py.

Before, each database split the text by its own rules: PostgreSQL missed words of Indian
scripts and, in some locales, every letter outside of ASCII.
"""

from importlib import import_module
from typing import Any

from django.db import migrations, models

from transcription.tokens import indexed

AT_ONCE = 500

# 'simple' neither stems words nor drops any.
POSTGRESQL = """
ALTER TABLE transcription_transcript ADD COLUMN search_vector tsvector
    GENERATED ALWAYS AS (to_tsvector('pg_catalog.simple', search_text)) STORED;
-- Let PostgreSQL count more words. If it assumes that a rare word is frequent, it reads
-- rows from the newest to the oldest instead of the index.
ALTER TABLE transcription_transcript ALTER COLUMN search_vector SET STATISTICS 500;
-- No list of pending entries: every search would have to read it.
CREATE INDEX transcription_search ON transcription_transcript
    USING gin (search_vector) WITH (fastupdate = off);
"""
EVENTS = ("insert", "delete", "update")
SQLITE = [
    """
    CREATE VIRTUAL TABLE transcription_search USING fts5(
        search_text, content='transcription_transcript', content_rowid='id',
        tokenize='ascii', prefix='2 3 5'
    )
    """,
    """
    CREATE TRIGGER transcription_search_insert
    AFTER INSERT ON transcription_transcript
    BEGIN
        INSERT INTO transcription_search (rowid, search_text)
        VALUES (new.id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER transcription_search_delete
    AFTER DELETE ON transcription_transcript
    BEGIN
        INSERT INTO transcription_search (transcription_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
    END
    """,
    # One trigger, because SQLite runs two triggers in any order.
    """
    CREATE TRIGGER transcription_search_update
    AFTER UPDATE OF search_text ON transcription_transcript
    WHEN old.search_text <> new.search_text
    BEGIN
        INSERT INTO transcription_search (transcription_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
        INSERT INTO transcription_search (rowid, search_text)
        VALUES (new.id, new.search_text);
    END
    """,
    """
    INSERT INTO transcription_search (rowid, search_text)
    SELECT id, search_text FROM transcription_transcript
    """,
]


def drop(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute(
                "ALTER TABLE transcription_transcript DROP COLUMN IF EXISTS "
                "search_vector"
            )
        else:
            # IF EXISTS: the triggers are gone if Django has rebuilt the table.
            for event in EVENTS:
                cursor.execute(f"DROP TRIGGER IF EXISTS transcription_search_{event}")
            cursor.execute("DROP TABLE IF EXISTS transcription_search")


def fill(apps: Any, schema_editor: Any) -> None:
    """Split every text. A million calls take some minutes."""
    rows = apps.get_model("transcription", "Transcript").objects.using(
        schema_editor.connection.alias
    )
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk").only("text")[:AT_ONCE]):
        for row in batch:
            row.search_text = indexed(row.text)
        rows.bulk_update([row for row in batch if row.search_text], ["search_text"])
        last = batch[-1].pk


def make(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL)
        else:
            for statement in SQLITE:
                cursor.execute(statement)


def make_as_before(apps: Any, schema_editor: Any) -> None:
    import_module("transcription.migrations.0002_search").make(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("transcription", "0011_concerns")]

    operations = [
        migrations.RunPython(drop, make_as_before),
        migrations.AddField(
            "transcript",
            "search_text",
            models.TextField(blank=True, default="", editable=False),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(make, drop),
    ]
