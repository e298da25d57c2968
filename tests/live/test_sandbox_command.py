"""`manage.py sandbox` says why it cannot start or why it ended. It hides secrets."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.chaos.waiting import until
from tests.live.sandbox import ROOT, free_ports, running
from tests.newcomer import processes_in
from tests.processes import measured
from tests.sandbox.test_processes import alive, descendants, linux


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "sandbox", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **measured()},
        capture_output=True,
        text=True,
        timeout=120,
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


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "99999999"),
        ("--pace", "-1"),
        ("--pace", "nan"),
        ("--directory", __file__),
    ],
)
def test_invalid_option_is_refused_in_words(option: str, value: str):
    ended = sandbox(*free_port_options(), option, value)

    assert ended.returncode == 1
    assert option in ended.stderr
    assert "Traceback" not in ended.stderr


def free_port_options() -> list[str]:
    names = ("--port", "--twilio-port", "--assemblyai-port")
    return [f"{name}={port}" for name, port in zip(names, free_ports(3), strict=True)]


@linux
@pytest.mark.parametrize("presses", [1, 1000])  # 1000: an impatient user
def test_ctrl_c_while_the_database_is_prepared_leaves_no_process(
    tmp_path: Path, presses: int
):
    options = ["--directory", tmp_path, *free_port_options()]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **measured()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    below: list[int] = []

    def is_preparing() -> bool:
        below[:] = descendants(process.pid)
        return any("migrate" in line.split("\0") for line in cmdlines(below))

    try:
        until("migrate runs", is_preparing, 120)
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
            if process.poll() is not None:
                break
        assert process.wait(60) == 0
        assert alive(below) == []
        assert process.communicate()[1] == b""
    finally:
        for pid in alive([process.pid, *below]):
            os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@linux
def test_sandbox_hides_its_secrets_and_names_the_process_that_died(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    secrets = {
        "SECRET_KEY": "secret-key-of-this-test-0123456789",
        "DJANGO_SUPERUSER_PASSWORD": "password-of-this-test",
    }

    with running(tmp_path, pace=0.1, environ=secrets, is_new=True) as house:
        lines = cmdlines([house.process.pid, *descendants(house.process.pid)])
        assert_no_secret(lines, secrets.values(), house.directory)
        worker = next(
            pid
            for pid in os.listdir("/proc")
            if pid.isdigit() and is_worker_of(int(pid), house.directory)
        )
        os.kill(int(worker), signal.SIGKILL)
        house.process.wait(timeout=60)

    assert house.process.returncode == 1
    assert "worker stopped unexpectedly" in capfd.readouterr().err
    assert not [line for line in processes_in(ROOT) if str(tmp_path) in line]


def cmdlines(pids: Iterable[int]) -> list[str]:
    found = []
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue  # the process ended while we looked
        found.append(line.decode(errors="replace"))
    return found


def assert_no_secret(lines: list[str], secrets: Iterable[str], directory: Path) -> None:
    """Check the arguments of the sandbox's processes, and their logs."""
    logs = [path.read_text() for path in directory.glob("*.log")]
    words = [word for line in lines for word in line.split("\0")]
    assert "worker" in words
    assert "runserver" in words
    assert logs
    for secret in secrets:
        assert not [line for line in lines if secret in line]
        assert not [log for log in logs if secret in log]
    ours = [line for line in lines if "manage.py" in line or "sandbox." in line]
    assert len(ours) >= 4
    # The stand-ins get their token and key in the environment, not as arguments.
    assert not [line for line in ours if re.search(r"(?i)token|key|password", line)]


def is_worker_of(pid: int, directory: Path) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # the process ended while we looked
    return line.endswith(b"worker\0") and str(directory).encode() in environ
