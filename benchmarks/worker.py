"""Measure what an idle worker costs, and how fast a worker is with slow vendors.

    python -m benchmarks.worker [--idle 60] [--calls 300] [--database sqlite]

Runs one worker, a web server and fake_vendors.py, on SQLite and PostgreSQL. Prints:

- what the worker costs while idle,
- how long a message waits until the worker takes it,
- how many transcripts a second the worker finishes, if each of AssemblyAI's three
  answers takes 2 s.

Exits with 1 if a goal is missed.
"""

import argparse
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from benchmarks.site import (
    Processes,
    a_database,
    cpu_seconds,
    environment,
    fake_vendors,
    processes,
)
from tests.chaos.waiting import free_port

# Goals: {options of the worker: transcripts per second}.
FINISHED = {(): 5, ("--concurrency", "96"): 10}
PICKED_UP_MS = {"postgresql": 30, "sqlite": 200}
IDLE_TRANSACTIONS = 60  # a minute
IDLE_CPU = 0.01  # of a core
FINISH_SECONDS = 180

# Code that sends messages about a transcript that does not exist. The worker takes each
# message and has nothing to do.
SEND = """
import time
from transcription.tasks import advance
for _ in range({messages}):
    advance.enqueue(0)
    time.sleep(0.25)
"""
RECORDINGS = """
from caller.models import Call, Recording
from django.utils import timezone
from transcription.tasks import start
made = range(1, {calls} + 1)
calls = Call.objects.bulk_create(
    Call(
        sid=f"CA{{number:032x}}",
        other_number=f"+1415{{number:07}}",
        our_number="+14155550100",
        status="completed",
        price=1,
        next_check_at=None,
    )
    for number in made
)
recordings = Recording.objects.bulk_create(
    Recording(
        sid=f"RE{{number:032x}}", call=call, status="completed", channels=1
    )
    for number, call in zip(made, calls)
)
for recording in recordings:
    start(recording)
"""

Ask = Callable[[str], Any]
missed: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--idle", type=float, default=60, help="seconds")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--messages", type=int, default=40)
    parser.add_argument(
        "--vendor-seconds", type=float, default=2, help="duration of each request"
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    kinds = [options.database] if options.database else ["sqlite", "postgresql"]
    for kind in kinds:
        for arguments, bound in FINISHED.items():
            port = free_port()
            site = f"http://127.0.0.1:{port}"
            with (
                a_database(kind) as url,
                fake_vendors(str(options.vendor_seconds)) as vendors,
                processes(environment(url, site, vendors)) as started,
            ):
                started.run("manage.py", "migrate", "--verbosity=0")
                started.serve("djtranscribe.wsgi", port, "--threads", "8")
                worker = started.start("manage.py", "worker", *arguments)
                started.until_printed(worker, "Worker ready")
                ask = asker(url)
                if not arguments:
                    idle(kind, worker.pid, ask, options.idle)
                    picked_up(kind, started, ask, options.messages)
                finished(kind, arguments, bound, started, ask, options.calls)
    if missed:
        sys.exit("Missed: " + ", ".join(missed))


def asker(url: str) -> Ask:
    """Return a function that queries one value from the database."""

    def of_postgresql(query: str) -> Any:
        with psycopg.connect(url, autocommit=True) as database:
            (value,) = database.execute(query).fetchone() or (None,)
        return value

    def of_sqlite(query: str) -> Any:
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=20)) as database:
            (value,) = database.execute(query).fetchone()
        return value

    return of_sqlite if url.startswith("sqlite") else of_postgresql


def tell(kind: str, what: str, value: float, unit: str, is_good: bool) -> None:
    mark = "" if is_good else "   MISSED"
    print(f"{kind:11} {what:46} {value:8.2f} {unit}{mark}", flush=True)
    if not is_good:
        missed.append(f"{what} on {kind}")


def idle(kind: str, pid: int, ask: Ask, seconds: float) -> None:
    """Measure what a worker costs while it has nothing to do."""
    # Skip the first seconds, in which the worker looks for work that was left behind.
    time.sleep(min(30, seconds))
    transactions = (
        "SELECT xact_commit + xact_rollback FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    before = ask(transactions) if kind == "postgresql" else 0
    cpu = cpu_seconds(pid)
    time.sleep(seconds)
    used = (cpu_seconds(pid) - cpu) / seconds
    tell(kind, "idle: of a core", used * 100, "%", used <= IDLE_CPU)
    if kind == "postgresql":
        # Subtract 1, because this query is a transaction, too.
        count = (ask(transactions) - before - 1) * 60 / seconds
        tell(kind, "idle: transactions a minute", count, "", count <= IDLE_TRANSACTIONS)


def picked_up(kind: str, started: Processes, ask: Ask, messages: int) -> None:
    """Measure how long a message waits until a worker has claimed it."""
    started.shell(SEND.format(messages=messages))
    waited = {
        "postgresql": "extract(epoch FROM started_at - enqueued_at) * 1000",
        "sqlite": "(julianday(started_at) - julianday(enqueued_at)) * 86400000",
    }[kind]
    table = "django_tasks_database_dbtaskresult"
    rows = [
        float(ask(f"SELECT {waited} FROM {table} ORDER BY id LIMIT 1 OFFSET {number}"))
        for number in range(messages)
    ]
    median = statistics.median(rows)
    tell(kind, "a message waits, median", median, "ms", median <= PICKED_UP_MS[kind])


def finished(
    kind: str,
    arguments: tuple[str, ...],
    bound: float,
    started: Processes,
    ask: Ask,
    calls: int,
) -> None:
    """Measure transcripts per second, from the first message to the last result."""
    started.shell(RECORDINGS.format(calls=calls))
    done = "SELECT count(*) FROM transcription_transcript WHERE status = 'completed'"
    deadline = time.monotonic() + FINISH_SECONDS
    while ask(done) < calls and time.monotonic() < deadline:
        time.sleep(0.2)
    seconds = float(ask(DURATION[kind]))
    rate = ask(done) / seconds
    name = " ".join(arguments) or "by default"
    tell(kind, f"transcripts a second, {name}", rate, "", rate >= bound)
    if "Connection pool is full" in started.logs():
        missed.append("a warning that a connection pool is full")


DURATION = {
    "postgresql": "SELECT extract(epoch FROM max(finished_at) - min(created_at)) "
    "FROM transcription_transcript",
    "sqlite": "SELECT (julianday(max(finished_at)) - julianday(min(created_at))) * "
    "86400 FROM transcription_transcript",
}

if __name__ == "__main__":
    main()
