"""The one process beside the web server, as a process: it starts, works, and stops."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from .test_settings import ALL, COMPLETE, ROOT


@pytest.fixture
def environment(tmp_path):
    return {
        "PATH": os.environ["PATH"],
        **ALL,
        **COMPLETE,
        "DJANGO_SETTINGS_MODULE": "djtranscribe.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "MEDIA_ROOT": str(tmp_path / "media"),
        "SWEEP_SECONDS": "1",
    }


def manage(environment, *arguments):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def worker(environment):
    manage(environment, "migrate", "--verbosity", "0")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--threads", "2"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_says_that_it_is_ready_and_stops_when_told(worker, signum):
    line = worker.stdout.readline()
    began = time.monotonic()
    worker.send_signal(signum)
    rest, _ = worker.communicate(timeout=20)

    assert line == "Worker ready: 2 threads. Ctrl-C stops it.\n"
    assert worker.returncode == 0
    assert "finishing what is in hand" in rest
    assert "Traceback" not in rest
    assert time.monotonic() - began < 5


def test_it_sweeps_up_what_was_left_behind(worker, environment, tmp_path):
    make = (
        "from caller.models import Recording; "
        "from transcription.models import Transcript; "
        "r = Recording.objects.create(source='file', status='completed'); "
        "r.store_audio([b'ID3' + bytes(50)]); "
        "Transcript.objects.create(recording=r)"
    )
    # No AssemblyAI is reached from here: the address is one at which nobody listens.
    worker.stdout.readline()
    manage(
        {**environment, "ASSEMBLYAI_API_URL": "http://127.0.0.1:9", "DEBUG": "true"},
        "shell",
        "--command",
        make,
    )

    statuses = []
    deadline = time.monotonic() + 20
    while statuses != ["fetched"] and time.monotonic() < deadline:
        time.sleep(0.1)
        with sqlite3.connect(tmp_path / "db.sqlite3", timeout=10) as database:
            rows = database.execute("select status from transcription_transcript")
            statuses = [status for (status,) in rows]
        database.close()

    assert statuses == ["fetched"]
