"""Remove the traces of deleted rows from SQLite's database file.

PostgreSQL reuses the space of deleted rows by itself (autovacuum).
"""

from django.db import connection

# One statement merges about this many pages of the search index. The number is small,
# because other writers wait meanwhile.
PAGES = 500
MAX_MERGES = 10_000


def overwrite_deleted() -> None:
    """Let this SQLite connection overwrite deleted data. See sqlite.org/pragma.html."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def clear_traces() -> None:
    """Remove deleted words from SQLite's search index and write-ahead log."""
    if connection.vendor != "sqlite":
        return
    merge = (
        "INSERT INTO transcription_search (transcription_search, rank) "
        "VALUES ('merge', %s)"
    )
    with connection.cursor() as cursor:
        # A negative number starts a merge of the whole index. See the commands `merge`
        # and `optimize` in sqlite.org/fts5.html.
        cursor.execute(merge, [-PAGES])
        for _ in range(MAX_MERGES):
            cursor.execute("SELECT total_changes()")
            [before] = cursor.fetchone()
            cursor.execute(merge, [PAGES])
            cursor.execute("SELECT total_changes()")
            [after] = cursor.fetchone()
            # sqlite.org/fts5.html: fewer than two changes mean that nothing was merged.
            if after - before < 2:
                break
        if not connection.in_atomic_block:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
