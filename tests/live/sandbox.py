"""Start the whole sandbox like a newcomer, but on free ports."""

import atexit
import fcntl
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.tables import new_sqlite

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = "sandbox/operator.json"
# Limit for the start. It takes 15 s of CPU time, and other tests run at the same time.
START_SECONDS = 180


@dataclass(frozen=True)
class Sandbox:
    site: str
    twilio: str
    assemblyai: str
    directory: Path
    process: "subprocess.Popen[str]"

    def said_to(self, number: str) -> str:
        """Return what the person at this number said."""
        calls = control(self.twilio, "calls")
        return next(call["said"] for call in calls if call["to"] == number)

    def requests_to(self, vendor: str, method: str, path: str) -> list[dict]:
        """Return the requests for this path, oldest first."""
        return [
            request
            for request in control(vendor, "requests")
            if request["method"] == method and request["path"] == path
        ]


def control(vendor: str, what: str) -> list[dict]:
    answer = requests.get(f"{vendor}/_sandbox/{what}", timeout=30)
    answer.raise_for_status()
    return answer.json()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@functools.cache
def migrated_database() -> Path:
    """Return a database with all tables and the operator. Each sandbox gets a copy.

    With SANDBOX_CACHE, all processes of the tests share this database.
    """
    shared = os.environ.get("SANDBOX_CACHE")
    if not shared:
        shared = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, shared)
    folder = Path(shared)
    database, unfinished = folder / "migrated.sqlite3", folder / "unfinished.sqlite3"
    environment = {
        "PATH": os.environ["PATH"],
        "DEBUG": "true",
        "DATABASE_URL": f"sqlite:///{unfinished}",
    }
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            new_sqlite(unfinished)
            subprocess.run(
                [sys.executable, "manage.py", "loaddata", FIXTURE, "--skip-checks"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            unfinished.rename(database)
    return database


@contextmanager
def running(
    directory: Path,
    pace: float,
    environ: dict[str, str] | None = None,
    is_new: bool = False,
) -> Iterator[Sandbox]:
    """Start a sandbox and wait until it is ready. At the end, stop it like Ctrl-C.

    is_new: let the sandbox create its database itself, which takes longer.
    """
    if not is_new:
        directory.mkdir(exist_ok=True)
        shutil.copy(migrated_database(), directory / "db.sqlite3")
    web, twilio, assemblyai = free_ports(3)
    command = [sys.executable, "manage.py", "sandbox", "--directory", str(directory)]
    command += ["--port", str(web), "--pace", str(pace), "--twilio-port", str(twilio)]
    command += ["--assemblyai-port", str(assemblyai)]
    # Leave out the settings of the tests, because a newcomer has no settings.
    names = {"PATH", "HOME", "LANG", "SANDBOX_CACHE"} & os.environ.keys()
    environment = {name: os.environ[name] for name in names} | (environ or {})
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert process.poll() is None, "the sandbox ended by itself"
            assert time.monotonic() < deadline, f"not ready: {line}"
        yield Sandbox(
            site=f"http://localhost:{web}",
            twilio=f"http://127.0.0.1:{twilio}",
            assemblyai=f"http://127.0.0.1:{assemblyai}",
            directory=directory,
            process=process,
        )
    finally:
        had_ended = process.poll() is not None
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=90)
        process.stdout.close()
    assert had_ended or status == 0
