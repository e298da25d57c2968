"""Measure how many Twilio webhooks a second the product takes, compared with peer.py.

    python -m benchmarks.webhooks [--seconds 3] [--rounds 5] [--database sqlite]

The product and benchmarks/peer.py take turns on this machine. Both run in gunicorn,
with one process and 8 threads. `wrk` sends the webhooks over 8 connections. Prints the
medians and their ratio for each webhook on SQLite and PostgreSQL. Exits with 1 if a
ratio is below the goal. Needs `wrk` (Debian's package) and PostgreSQL.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from shutil import which
from urllib.parse import urlencode
from uuid import UUID

from twilio.request_validator import RequestValidator

from benchmarks.site import (
    ACCOUNT_SID,
    MAKE_CALLS,
    TOKEN,
    Processes,
    a_database,
    environment,
    fail,
    processes,
)
from tests.chaos.waiting import free_port

GOAL = 0.8
# Calls per group. All calls of a group get the first status, then all get the next
# status. Each group has new calls, because a repeated status changes nothing.
CALLS = 400
STATUSES = {
    "/record/": ["in-progress"],
    "/webhooks/twilio/call/": ["initiated", "ringing", "in-progress", "completed"],
}
# The site's address is a part of what Twilio signs.
SITES = {"product": "https://calls.example.com", "peer": "http://127.0.0.1"}

# Script for `wrk`. One thread runs the script, so the deliveries are sent in order.
SCRIPT = """
local requests = {}
for line in io.lines(os.getenv("REQUESTS")) do
  local path, signature, body = line:match("^(%S+) (%S+) (%S+)$")
  requests[#requests + 1] = wrk.format("POST", path, {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["X-Twilio-Signature"] = signature,
  }, body)
end
local next_one = tonumber(os.getenv("FIRST"))
request = function()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--groups", type=int, default=25, help=f"number of groups of {CALLS} calls"
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    if not which("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    kinds = [options.database] if options.database else ["sqlite", "postgresql"]
    ratios = [ratio for kind in kinds for ratio in measure(kind, options)]
    if min(ratios) < GOAL:
        sys.exit(f"Missed: each ratio should be at least {GOAL}.")


def measure(kind: str, options: argparse.Namespace) -> list[float]:
    """Measure product and peer on one kind of database. Return a ratio per webhook."""
    ports = {"product": free_port(), "peer": free_port()}
    with (
        a_database(kind) as url,
        processes(environment(url, SITES["product"])) as started,
    ):
        started.run("manage.py", "migrate", "--verbosity=0")
        calls = CALLS * options.groups * len(STATUSES)
        started.shell(MAKE_CALLS.format(calls=calls))
        started.run("-m", "benchmarks.peer", str(calls))
        started.serve("djtranscribe.wsgi", ports["product"], "--threads", "8")
        started.serve("benchmarks.peer", ports["peer"], "--threads", "8")
        return [compare(kind, path, ports, started, options) for path in STATUSES]


def compare(
    kind: str,
    path: str,
    ports: dict[str, int],
    started: Processes,
    options: argparse.Namespace,
) -> float:
    for name, site in SITES.items():
        write_requests(requests_file(started, name), path, site, options.groups)
    a_second: dict[str, list[float]] = {name: [] for name in ports}
    sent = dict.fromkeys(ports, 0)
    for _ in range(options.rounds):
        for name, port in ports.items():
            requests = requests_file(started, name)
            count, rate = ask(port, requests, sent[name], options.seconds)
            sent[name] += count
            a_second[name].append(rate)
    medians = {name: statistics.median(rates) for name, rates in a_second.items()}
    ratio = medians["product"] / medians["peer"]
    print(
        f"{kind:11} {path:24} product {medians['product']:6.0f}/s"
        f"   peer {medians['peer']:6.0f}/s   ratio {ratio:.2f}   goal {GOAL}",
        flush=True,
    )
    return ratio


def requests_file(started: Processes, name: str) -> Path:
    return started.folder / f"{name}.requests"


def write_requests(file: Path, path: str, site: str, groups: int) -> None:
    """Write signed deliveries, one per line: path, signature and body."""
    validator = RequestValidator(TOKEN)
    # Each path has its own calls. Begin after the calls of the earlier paths.
    first = list(STATUSES).index(path) * CALLS * groups + 1
    with file.open("w") as lines:
        for group in range(groups):
            for number, status in enumerate(STATUSES[path]):
                for call in range(first + group * CALLS, first + (group + 1) * CALLS):
                    target, fields = delivery(path, call, number, status)
                    signature = validator.compute_signature(site + target, fields)
                    lines.write(f"{target} {signature} {urlencode(fields)}\n")


def delivery(
    path: str, call: int, number: int, status: str
) -> tuple[str, dict[str, str]]:
    fields = {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": f"CA{call:032x}",
        "CallStatus": status,
        "Called": f"+1415{call:07}",
        "Caller": "+14155550100",
        "Direction": "outbound-api",
        "From": "+14155550100",
        "To": f"+1415{call:07}",
    }
    if path != "/record/":
        fields["SequenceNumber"] = str(number)
        fields["Timestamp"] = f"Mon, 23 Nov 2026 10:00:{number:02} +0000"
    return f"{path}?call={UUID(int=call)}", fields


def ask(port: int, requests: Path, first: int, seconds: int) -> tuple[int, float]:
    """Send requests for `seconds`. Return (answers, answers per second).

    first: the number of requests in the file to skip, because they were sent before.
    """
    script = requests.with_suffix(".lua")
    script.write_text(SCRIPT + REPORT)
    load = ["wrk", "--threads", "1", "--connections", "8", "--timeout", "15s"]
    done = subprocess.run(
        [*load, "-d", f"{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"],
        env={"REQUESTS": str(requests), "FIRST": str(first)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(re.search(r"\{.*\}", done.stdout)[0])  # type: ignore[index]
    if found["refused"] or found["broken"]:
        fail(f"Not every delivery was accepted: {found}")
    return found["answered"], found["answered"] / found["seconds"]


REPORT = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"answered": %d, "seconds": %.6f, "refused": %d, "broken": %d}\\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout
  ))
end
"""

if __name__ == "__main__":
    main()
