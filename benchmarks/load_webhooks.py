"""Send each webhook of 5,000 calls twice, within a minute, and kill two workers.

    python -m benchmarks.load_webhooks [--calls 5000] [--seconds 60]

gunicorn, PostgreSQL and two workers run on this machine, with fake_vendors.py as the
vendors. Prints the CPU time per call of all our processes. Exits with 2 if a transcript
was lost, wrong, or paid twice. Exits with 1 if a call takes too much CPU time.
"""

import argparse
import http.client
import json
import queue
import random
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from twilio.request_validator import RequestValidator

from benchmarks.site import (
    ACCOUNT_SID,
    MAKE_CALLS,
    TOKEN,
    Process,
    Processes,
    a_database,
    cpu_seconds,
    environment,
    fail,
    fake_vendors,
    postgresql_pid,
    processes,
)
from tests.chaos.waiting import free_port

SENDERS = 12
TRIES = 4  # one request and three retries, as Twilio does: our URLs end in #rc=3
FINISH_SECONDS = 600  # after the last webhook was sent
CPU_MS = 70  # goal for a call, all our processes together


class Load:
    """The webhooks to send, and how they were answered."""

    def __init__(self, site: str, calls: int) -> None:
        self.site = site
        self.calls = calls
        self.validator = RequestValidator(TOKEN)
        self.answers: Counter[str] = Counter()
        self.milliseconds: list[float] = []
        # Each item: when to send it (seconds from the start), path, body, headers.
        self.due: queue.Queue[tuple[float, str, str, dict[str, str]]] = queue.Queue()

    def prepare(self, seconds: float) -> None:
        """Queue four deliveries per call in random order, spread over `seconds`.

        Sign them here, so that the measurement does not include the signing.
        """
        deliveries = [
            delivery
            for number in range(1, self.calls + 1)
            for delivery in self.of_call(number)
            for _ in range(2)
        ]
        random.Random(1).shuffle(deliveries)
        for number, (path, fields) in enumerate(deliveries):
            at = number * seconds / len(deliveries)
            self.due.put((at, path, urlencode(fields), self.headers(path, fields)))

    def headers(self, path: str, fields: dict[str, str]) -> dict[str, str]:
        url = f"http://{self.site}{path}"
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": self.validator.compute_signature(url, fields),
        }

    def of_call(self, number: int) -> list[tuple[str, dict[str, str]]]:
        uuid = UUID(int=number)
        at = "Mon, 23 Nov 2026 10:00:20 +0000"
        common = {"AccountSid": ACCOUNT_SID, "CallSid": f"CA{number:032x}"}
        status = {"CallStatus": "completed", "SequenceNumber": "3", "CallDuration": "5"}
        recording = {
            "RecordingSid": f"RE{number:032x}",
            "RecordingStatus": "completed",
            "RecordingDuration": "3",
            "RecordingChannels": "1",
        }
        return [
            (
                f"/webhooks/twilio/call/?call={uuid}",
                common | status | {"Timestamp": at},
            ),
            (f"/webhooks/twilio/recording/?call={uuid}", common | recording),
        ]

    def send_all(self) -> float:
        """Send all deliveries. Return the seconds it took."""
        began = time.monotonic()
        threads = [
            threading.Thread(target=self.send, args=[began]) for _ in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - began

    def send(self, began: float) -> None:
        connection = http.client.HTTPConnection(self.site, timeout=15)
        while True:
            try:
                at, path, body, headers = self.due.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0, began + at - time.monotonic()))
            for _ in range(TRIES):
                sent = time.monotonic()
                try:
                    connection.request("POST", path, body, headers)
                    answer = connection.getresponse()
                    answer.read()
                    status = str(answer.status)
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    status = type(error).__name__
                self.answers[status] += 1
                if status.startswith("2"):
                    self.milliseconds.append((time.monotonic() - sent) * 1000)
                    break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with a_database() as url, fake_vendors() as vendors_port:
        run(url, vendors_port, options.calls, options.seconds)


def run(url: str, vendors_port: int, calls: int, seconds: float) -> None:
    port = free_port()
    site = f"127.0.0.1:{port}"
    with processes(environment(url, f"http://{site}", vendors_port)) as started:
        started.run("manage.py", "migrate", "--verbosity=0")
        started.shell(MAKE_CALLS.format(calls=calls))
        load = Load(site, calls)
        load.prepare(seconds)
        threads = ("--workers", "2", "--threads", "6")
        web = started.serve("djtranscribe.wsgi", port, *threads)
        workers = [start_worker(started) for _ in range(2)]
        for worker in workers:
            started.until_printed(worker, "Worker ready")
        used = Used(web, workers)
        killers = [
            threading.Timer(seconds * when, kill_one, [started, workers, used])
            for when in (1 / 3, 2 / 3)
        ]
        for killer in killers:
            killer.start()
        began = time.monotonic()
        took = load.send_all()
        until_done(url, calls)
        everything = time.monotonic() - began
        for killer in killers:
            killer.join()
        report(url, load, vendors_port, took, everything)
        used.report(workers, calls)


class Used:
    """The CPU time that our processes use until `report` is called."""

    def __init__(self, web: Process, workers: list[Process]) -> None:
        self.web, self.database = web.pid, postgresql_pid()
        self.killed = 0.0
        self.before = self.now(workers)

    def now(self, workers: list[Process]) -> dict[str, float]:
        return {
            "web server": cpu_seconds(self.web),
            "workers": self.killed + sum(cpu_seconds(each.pid) for each in workers),
            "PostgreSQL": cpu_seconds(self.database) if self.database else 0,
        }

    def report(self, workers: list[Process], calls: int) -> None:
        """Print the CPU time of a call. Exit with 1 if it misses the goal."""
        now = self.now(workers)
        used = {name: (now[name] - self.before[name]) * 1000 / calls for name in now}
        parts = ", ".join(f"{ms:.0f} ms {name}" for name, ms in used.items())
        total = sum(used.values())
        print(f"{'CPU of a call':40}{total:.0f} ms: {parts}; goal {CPU_MS} ms")
        if total > CPU_MS:
            raise SystemExit(f"Missed: a call takes more than {CPU_MS} ms of CPU time.")


def start_worker(started: Processes) -> Process:
    return started.start("manage.py", "worker")


def kill_one(started: Processes, workers: list[Process], used: Used) -> None:
    worker = workers.pop(0)
    used.killed += cpu_seconds(worker.pid)
    started.kill(worker)
    workers.append(start_worker(started))


def until_done(url: str, calls: int) -> None:
    done = "SELECT count(*) FROM transcription_transcript WHERE finished_at IS NOT NULL"
    deadline = time.monotonic() + FINISH_SECONDS
    with psycopg.connect(url, autocommit=True) as database:
        while time.monotonic() < deadline:
            (finished,) = database.execute(done).fetchone() or (0,)
            if sys.stderr.isatty():
                print(f"\r{finished} of {calls}", end="", file=sys.stderr, flush=True)
            if finished >= calls:
                return
            time.sleep(0.5)


def report(
    url: str, load: Load, vendors_port: int, took: float, everything: float
) -> None:
    connection = http.client.HTTPConnection(f"127.0.0.1:{vendors_port}", timeout=10)
    connection.request("GET", "/_counts")
    counts = Counter(json.loads(connection.getresponse().read()))
    right = """SELECT count(*) FROM transcription_transcript AS transcript
        JOIN caller_recording AS recording ON transcript.recording_id = recording.id
        WHERE transcript.status = 'completed'
          AND transcript.text = 'said ' || recording.sid"""
    with psycopg.connect(url, autocommit=True) as database:

        def count(query: str) -> int:
            (found,) = database.execute(query).fetchone() or (0,)
            return int(found)

        transcripts = count("SELECT count(*) FROM transcription_transcript")
        texts = count(right)
        failed = "SELECT count(*) FROM transcription_transcript WHERE status = 'error'"
        errors = count(failed)
        kept = count("SELECT count(*) FROM djtranscribe_webhookdelivery")
    posts = counts["POST /v2/transcript"]
    answered = sorted(load.milliseconds)
    rows = [
        ("calls", load.calls),
        ("webhooks of Twilio, doubled, shuffled", sum(load.answers.values())),
        ("  answered", ", ".join(f"{k}: {v}" for k, v in load.answers.items())),
        ("  sent within", f"{took:.0f} s"),
        ("  answered within, median", f"{answered[len(answered) // 2]:.0f} ms"),
        ("  answered within, 99 %", f"{answered[len(answered) * 99 // 100]:.0f} ms"),
        ("webhooks of both vendors in the ledger", kept),
        ("workers killed", 2),
        ("transcripts", transcripts),
        ("  with the right words", texts),
        ("  in error", errors),
        ("  lost", load.calls - texts - errors),
        ("requests to Twilio about calls", counts["Twilio asked"]),
        ("downloads", counts["downloads"]),
        ("uploads", counts["uploads"]),
        ("POST /v2/transcript", posts),
        ("results read", counts["results read"]),
        ("all done after", f"{everything:.0f} s"),
    ]
    for what, value in rows:
        print(f"{what:40}{value}")
    if not transcripts == texts == posts == load.calls:
        fail("Something was lost, wrong, or paid twice.")


if __name__ == "__main__":
    main()
