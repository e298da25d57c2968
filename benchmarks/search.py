"""Measure how long a search takes with a million transcripts on PostgreSQL.

    python -m benchmarks.search 1000000

Creates a new database on the server of CI_DATABASE_URL and fills it. Sends typical
searches to the page /search/. Prints the medians and the sizes. Drops the database.

A transcript has a hundred made-up words. Their frequencies follow Zipf's law, as in a
real language. A third of the transcripts are in Chinese, Thai or Hindi letters. The
column `words` is empty, because a search reads it only for the results on its page.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate, islice
from pathlib import Path

import psycopg

from benchmarks.site import a_database, django_on

GOAL_MS = 100
WORDS_KNOWN, WORDS_SAID = 30_000, 100
ROWS_AT_ONCE = 5_000

SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
chance = random.Random(5)  # the same numbers in every run


def vocabulary() -> list[str]:
    made: dict[str, None] = {}
    while len(made) < WORDS_KNOWN:
        made["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4)))] = None
    return list(made)


KNOWN = vocabulary()
WEIGHTS = list(accumulate(1 / (rank + 2) for rank in range(WORDS_KNOWN)))


# For each script: the letters of made-up words, and the separator between words.
SCRIPTS = {
    "Chinese": ("".join(map(chr, range(0x4E00, 0x5200))), ""),
    "Thai": ("กขคงจชซญดตถทธนบปผพฟภมยรลวศสหอะาิีุูเแโ", ""),
    "Hindi": ("कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौं", " "),
}


def in_script(words: list[str], letters: str) -> list[str]:
    """Return the words in another script: one letter for each Latin syllable."""
    return [
        "".join(
            letters[hash_of(word[at : at + 2]) % len(letters)]
            for at in range(0, len(word), 2)
        )
        for word in words
    ]


def hash_of(syllable: str) -> int:
    return SYLLABLES.index(syllable) * 7919


def texts(count: int) -> Iterator[str]:
    """Yield texts. Of nine, one is Chinese, one Thai, one Hindi, and six are Latin."""
    others = list(SCRIPTS.values())
    for number in range(count):
        said = chance.choices(KNOWN, cum_weights=WEIGHTS, k=WORDS_SAID)
        if number % 9 < len(others):
            letters, space = others[number % 9]
            yield space.join(in_script(said, letters))
        else:
            yield " ".join(said).capitalize() + "."


def fill(size: int) -> list[str]:
    """Fill the database. Return some of the texts, to take phrases from."""
    from django.db import connection

    from caller.models import Call, Recording
    from transcription.models import Transcript
    from transcription.tokens import indexed

    call = Call.objects.create(other_number="+14155551234", our_number="+14155550100")
    recording = Recording.objects.create(call=call, status="completed")
    Transcript.objects.create(recording=recording, status="completed")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = "
            "'transcription_transcript' AND table_schema = 'public' AND "
            "column_name NOT IN ('id', 'uuid', 'text', 'search_text', 'search_vector')"
        )
        others = ", ".join(f'"{name}"' for (name,) in cursor.fetchall())
        # The table has one row. Copy this row for each text.
        insert = (
            f"INSERT INTO transcription_transcript (uuid, text, search_text, {others}) "
            f"SELECT gen_random_uuid(), said.text, indexed, {others} FROM said, one"
        )
        cursor.execute("CREATE TEMPORARY TABLE said (text text, indexed text)")
        cursor.execute(
            "CREATE TEMPORARY TABLE one AS "
            f"SELECT {others} FROM transcription_transcript"
        )
        # Build the index after filling: this is much faster, with the same result.
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'transcription_search'"
        )
        [index] = cursor.fetchone() or [""]
        cursor.execute("DROP INDEX transcription_search")
        some, source = [], texts(size)
        for done in range(0, size, ROWS_AT_ONCE):
            rows = list(islice(source, ROWS_AT_ONCE))
            some += rows[:9]
            with cursor.copy("COPY said FROM STDIN") as copy:
                copy.write("".join(f"{row}\t{indexed(row)}\n" for row in rows))
            cursor.execute(insert)
            cursor.execute("TRUNCATE said")
            print(f"\r{done + len(rows):,} of {size:,}", end="", file=sys.stderr)
        print("\nthe index", file=sys.stderr)
        cursor.execute(index)
        cursor.execute("VACUUM ANALYZE transcription_transcript")
    return some


def questions(some: list[str], count: int) -> dict[str, list[str]]:
    """Return typical searches with random words. count: how many of each kind."""

    def word(first: int, last: int) -> str:
        return KNOWN[chance.randrange(first, last)]

    latin = [text for text in some if text.isascii()]

    def part_of(script: str, length: int) -> str:
        """Return some letters, or words, from one of the texts in this script."""
        letters, space = SCRIPTS[script]
        said = chance.choice([text for text in some if text[0] in letters])
        parts = said.split(space) if space else list(said)
        start = chance.randrange(len(parts) - length)
        return space.join(parts[start : start + length])

    def phrase(length: int) -> str:
        words = chance.choice(latin).lower().rstrip(".").split()
        start = chance.randrange(len(words) - length)
        return f'"{" ".join(words[start : start + length])}"'

    rare, usual, frequent = (2_000, WORDS_KNOWN), (200, 2_000), (0, 20)
    kinds = {
        "a rare word": lambda: word(*rare),
        "a usual word": lambda: word(*usual),
        "a frequent word": lambda: word(*frequent),
        "two usual words": lambda: f"{word(*usual)} {word(*usual)}",
        "a frequent and a rare word": lambda: f"{word(*frequent)} {word(*rare)}",
        "a phrase of three words": lambda: phrase(3),
        "one without another": lambda: f"{word(*usual)} -{word(*frequent)}",
        "a prefix": lambda: f"{word(*rare)[:5]}*",
        "two letters in Chinese": lambda: part_of("Chinese", 2),
        "four letters in Chinese": lambda: part_of("Chinese", 4),
        "five letters in Thai": lambda: part_of("Thai", 5),
        "a word in Hindi": lambda: part_of("Hindi", 1),
        "a phrase in Hindi": lambda: f'"{part_of("Hindi", 3)}"',
        "nothing that was said": lambda: "xylophone",
    }
    return {kind: [ask() for _ in range(count)] for kind, ask in kinds.items()}


def measure(some: list[str], searches: int) -> list[float]:
    from django.contrib.auth.models import User
    from django.test import Client

    browser = Client()
    browser.force_login(User.objects.create_superuser("benchmark"))
    browser.get("/search/", {"q": "warm"})
    everything = []
    for kind, asked in questions(some, searches).items():
        took = []
        for question in asked:
            began = time.perf_counter()
            page = browser.get("/search/", {"q": question})
            took.append((time.perf_counter() - began) * 1000)
            assert page.status_code == 200
        print(
            f"{kind:28} median {statistics.median(took):7.1f} ms, "
            f"worst {max(took):7.1f} ms"
        )
        everything += took
    return everything


def sizes_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_size_pretty(pg_total_relation_size('transcription_transcript')),"
            " pg_size_pretty(pg_relation_size('transcription_search'))"
        ).fetchone()
    assert row
    return f"{row[0]}, including {row[1]} for the index"


def size_on_sqlite(size: int) -> str:
    """Estimate the size of this many texts in SQLite, from a tenth of them."""
    from transcription.tokens import indexed

    sample = max(100, size // 10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "search.sqlite3")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(
                "CREATE TABLE said (id INTEGER PRIMARY KEY, text, words)"
            )
            connection.execute(
                "CREATE VIRTUAL TABLE search USING fts5(words, content='said', "
                "content_rowid='id', tokenize='ascii', prefix='2 3 5')"
            )
            rows = ((text, indexed(text)) for text in texts(sample))
            connection.executemany("INSERT INTO said (text, words) VALUES (?, ?)", rows)
            connection.commit()
            texts_only = path.stat().st_size
            connection.execute("INSERT INTO search (search) VALUES ('rebuild')")
            connection.commit()
        whole = path.stat().st_size
    scale = size / sample / 1e6
    return (
        f"{whole * scale:.0f} MB, "
        f"including {(whole - texts_only) * scale:.0f} MB for the index"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How long does a search take?")
    parser.add_argument("size", nargs="?", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=25, help="of each kind")
    options = parser.parse_args()
    size = options.size
    with a_database() as url, django_on(url):
        some = fill(size)
        took = measure(some, options.searches)
        print(f"PostgreSQL: {sizes_of(url)}; SQLite: {size_on_sqlite(size)}")
    median = statistics.median(took)
    print(
        f"{size:,} transcripts: median {median:.1f} ms of {len(took)} searches; "
        f"goal {GOAL_MS} ms: {'met' if median < GOAL_MS else 'MISSED'}"
    )
    if median >= GOAL_MS:
        sys.exit(1)


if __name__ == "__main__":
    main()
