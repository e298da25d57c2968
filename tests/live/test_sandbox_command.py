"""`manage.py sandbox` if something prevents it from starting or working."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.sandbox import ROOT, running
from tests.newcomer import processes_in
from tests.processes import measured


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "sandbox", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **measured()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("option", ["--port", "--twilio-port", "--assemblyai-port"])
def test_a_port_in_use_is_named_with_the_option_that_changes_it(option: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = sandbox(option, str(port))

    assert ended.returncode == 1
    assert f"Port {port} is in use" in ended.stderr
    assert f"{option} " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_nonsense_port_is_refused_in_words():
    ended = sandbox("--port", "99999999")

    assert ended.returncode == 1
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_sandbox_stops_and_names_the_process_that_died(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    with running(tmp_path, pace=0.1, is_new=True) as house:
        worker = next(
            pid
            for pid in os.listdir("/proc")
            if pid.isdigit() and is_worker_of(int(pid), house.directory)
        )
        os.kill(int(worker), signal.SIGKILL)
        house.process.wait(timeout=20)

    assert house.process.returncode == 1
    assert "worker stopped unexpectedly" in capfd.readouterr().err
    assert not [line for line in processes_in(ROOT) if str(tmp_path) in line]


def is_worker_of(pid: int, directory: Path) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # it ended while we looked
    return line.endswith(b"worker\0") and str(directory).encode() in environ
