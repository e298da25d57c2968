"""Measure the memory and the speed of a worker with large recordings.

    python -m benchmarks.memory [--megabytes 200] [--at-once 32] [--rounds 3] [--idle 3]

A worker gets one recording of 200 MB, then 32 such recordings, with PostgreSQL and
fake_vendors.py. Prints the worker's peak memory minus its idle memory. Compares the
time for one recording with `curl | curl`, which uploads during the download. Exits with
1 if a goal is missed. Needs curl.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.site import a_database, environment, fake_vendors, processes
from benchmarks.worker import RECORDINGS, Ask, asker

ONE_MB, MANY_MB = 30, 200
SLOWER = 1.3
SECONDS = 300
# SQL that counts the submitted transcripts. Their audio was fetched and uploaded.
HANDED_OVER = (
    "SELECT count(*) FROM transcription_transcript WHERE submitted_at IS NOT NULL"
)
TOOK = (
    "SELECT extract(epoch FROM max(submitted_at) - min(created_at)) "
    "FROM transcription_transcript"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often to measure one recording"
    )
    parser.add_argument("--idle", type=float, default=3, help="seconds to wait first")
    options = parser.parse_args()
    size, many = options.megabytes, options.at_once
    ours, curls, memory = [], [], []
    for _ in range(options.rounds):
        seconds, megabytes = measure(size, 1, options.idle)
        ours.append(seconds)
        memory.append(megabytes)
        curls.append(by_curl(size))
    one, ratio = max(memory), statistics.median(ours) / statistics.median(curls)
    _, all_of_them = measure(size, many, options.idle)
    print(f"one recording of {size} MB: {one:6.1f} MB   goal {ONE_MB}")
    print(f"the same, time: {ratio:6.2f} of curl | curl   goal {SLOWER}")
    print(f"{many} of {size} MB at once: {all_of_them:6.1f} MB   goal {MANY_MB}")
    if one > ONE_MB or all_of_them > MANY_MB or ratio > SLOWER:
        sys.exit("Missed.")


def measure(megabytes: int, recordings: int, wait: float) -> tuple[float, float]:
    """Let a worker submit recordings. Return (seconds, peak MB minus idle MB)."""
    with (
        a_database() as url,
        fake_vendors("0", str(megabytes)) as vendors,
        processes(environment(url, "http://127.0.0.1:9", vendors)) as started,
    ):
        started.run("manage.py", "migrate", "--verbosity=0")
        worker = started.start("manage.py", "worker")
        started.until_printed(worker, "Worker ready")
        time.sleep(wait)
        idle = resident(worker.pid)
        started.shell(RECORDINGS.format(calls=recordings))
        ask = asker(url)
        peak = highest(worker.pid, lambda: ask(HANDED_OVER) >= recordings)
        return took(ask), peak - idle


def took(ask: Ask) -> float:
    return float(ask(TOOK))


def highest(pid: int, is_done: Callable[[], bool]) -> float:
    """Return the most MB that a process and its children hold until `is_done`."""
    peak, deadline = 0.0, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for _ in range(10):
            peak = max(peak, resident(pid))
            time.sleep(0.02)
        if is_done():
            return peak
    raise SystemExit("The worker was not done in time.")


def resident(pid: int) -> float:
    """Return the megabytes of memory that a process and its children hold now."""
    found = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except (OSError, ValueError):
            continue  # the process has ended
        if str(pid) in (lines["Pid"].strip(), lines["PPid"].strip()):
            found += int(lines.get("VmRSS", "0").split()[0]) / 1024
    return found


def by_curl(megabytes: int) -> float:
    """Return the seconds that two curls take to download and upload a recording."""
    curl = ["curl", "--silent", "--show-error", "--fail"]
    with fake_vendors("0", str(megabytes)) as port:
        site, sid = f"http://127.0.0.1:{port}", "RE" + "0" * 32
        began = time.monotonic()
        with subprocess.Popen(
            [*curl, f"{site}/{sid}.wav"], stdout=subprocess.PIPE
        ) as download:
            subprocess.run(
                [*curl, "--upload-file", "-", "--request", "POST", f"{site}/v2/upload"],
                stdin=download.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        return time.monotonic() - began


if __name__ == "__main__":
    main()
