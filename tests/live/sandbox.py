"""Start the whole sandbox like a newcomer, but on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@dataclass(frozen=True)
class Sandbox:
    site: str
    twilio: str
    assemblyai: str
    directory: Path
    process: "subprocess.Popen[str]"

    def said_to(self, number: str) -> str:
        """Return what the person at this number said, as Twilio's stand-in knows it."""
        calls = control(self.twilio, "calls")
        return next(call["said"] for call in calls if call["to"] == number)

    def requests_to(self, vendor: str, method: str, path: str) -> list[dict]:
        """Return these requests that a stand-in received, oldest first."""
        return [
            request
            for request in control(vendor, "requests")
            if request["method"] == method and request["path"] == path
        ]


def control(vendor: str, what: str) -> list[dict]:
    answer = requests.get(f"{vendor}/_sandbox/{what}", timeout=10)
    answer.raise_for_status()
    return answer.json()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running(
    directory: Path, pace: float, environ: dict[str, str] | None = None
) -> Iterator[Sandbox]:
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
        status = process.wait(timeout=30)
        process.stdout.close()
    assert had_ended or status == 0
