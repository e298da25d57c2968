"""The stand-ins as processes: their options, and how they and their children end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.sandbox.conftest import (
    ENVIRONMENT,
    ROOT,
    TWILIO_ARGUMENTS,
    start,
    started,
    until,
)
from tests.sandbox.test_assemblyai import SILENCE, transcribe

BOTH = [("twilio", TWILIO_ARGUMENTS), ("assemblyai", [])]


def descendants(pid):
    """Return the process ids of all descendants of a running process."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in pairs if its_parent == parent]
    return found[1:]


def alive(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}") and not zombie(pid)]


def zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


linux = pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")


@pytest.mark.parametrize(("module", "arguments"), BOTH)
def test_port_in_use_is_reported_in_one_line_naming_the_option(
    module, arguments, twilio
):
    port = twilio.url.rsplit(":", 1)[1]

    process = start(module, "--port", port, *arguments)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 2
    [line] = output.strip().splitlines()
    assert f"port {port}" in line
    assert "--port" in line


@pytest.mark.parametrize("module", ["twilio", "assemblyai"])
def test_help_explains_what_it_is_and_where_the_secret_comes_from(module):
    process = start(module, "--help")
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0
    assert "stand-in" in output
    assert "--pace" in output
    assert "environment variable" in " ".join(output.split())


@pytest.mark.parametrize(("module", "arguments"), BOTH)
def test_a_missing_secret_is_named(module, arguments):
    environment = {k: v for k, v in os.environ.items() if k not in ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-m", f"sandbox.{module}", "--port", "0", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 2
    assert "environment variable" in done.stderr


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_quickly_stops_the_stand_in_and_its_child_processes(number):
    began = time.monotonic()
    stand_in = started("assemblyai", "--pace", "0")
    below = descendants(stand_in.process.pid)
    assert len(below) >= 2

    before = time.monotonic()
    stand_in.process.send_signal(number)

    assert stand_in.process.wait(60) == 0
    # Allow as long as the start took: both are slow on a slow machine. On a desktop,
    # this is less than STOP_SECONDS of sandbox.assemblyai.jobs.
    assert time.monotonic() - before < max(2, before - began)
    until(lambda: not alive(below), "the end of the workers")
    stand_in.process.stdout.close()


@pytest.mark.slow
@linux
def test_a_signal_to_all_its_processes_ends_it():
    stand_in = started("assemblyai", "--pace", "0")
    # After this job, a worker waits for the next job and holds the lock of the queue.
    # If the signal kills the worker, nobody releases the lock. The stand-in must still
    # end.
    transcribe(stand_in, SILENCE)
    below = descendants(stand_in.process.pid)

    for pid in [*below, stand_in.process.pid]:
        os.kill(pid, signal.SIGTERM)

    assert stand_in.process.wait(60) == 0
    until(lambda: not alive(below), "the end of the workers")
    stand_in.process.stdout.close()


@linux
def test_the_recognisers_die_with_a_killed_parent_and_clear_up(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    stand_in = started("assemblyai", "--pace", "0")
    below = descendants(stand_in.process.pid)
    [folder] = tmp_path.glob("sandbox-assemblyai-*")

    stand_in.process.kill()
    stand_in.process.wait(60)

    until(lambda: not alive(below), "the end of the workers")
    assert not folder.exists()
    stand_in.process.stdout.close()


@linux
@pytest.mark.parametrize(("module", "arguments"), BOTH)
def test_no_orphan_is_left_when_the_starter_is_killed(module, arguments):
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-m', *sys.argv[1:]])\n"
        "time.sleep(60)\n"
    )
    options = ["--port", "0", "--exit-with-parent", *arguments]
    starter = subprocess.Popen(
        [sys.executable, "-c", code, f"sandbox.{module}", *options],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "ready" in starter.stdout.readline()
    below = descendants(starter.pid)
    assert below

    starter.kill()
    starter.wait(60)

    until(lambda: not alive(below), "the end of the stand-in")
    starter.stdout.close()
