"""The one process beside the web server: it starts, works, sweeps, and stops."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from secrets import token_hex

import psycopg
import pytest
from django.db import OperationalError
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from caller.tasks import check_call
from djtranscribe.worker import engines, loops, maintenance
from djtranscribe.worker.waking import Wakeups
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.chaos.databases import SERVER
from tests.chaos.environment import not_to_be_had
from tests.chaos.waiting import is_open
from tests.djtranscribe.test_settings import ALL, COMPLETE, ROOT
from tests.measured import measured
from tests.threads import needs_connections
from tests.transcription.rows import a_transcript
from transcription.models import Transcript
from transcription.tasks import advance


@pytest.fixture
def environment(tmp_path):
    return {
        "PATH": os.environ["PATH"],
        **measured(),
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
    with started(environment) as process:
        yield process


@contextmanager
def started(environment):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--concurrency", "2"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
        process.terminate()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
    process.stdout.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_says_that_it_is_ready_and_stops_when_told(worker, signum):
    line = worker.stdout.readline()
    began = time.monotonic()
    worker.send_signal(signum)
    rest, _ = worker.communicate(timeout=20)

    assert line == "Worker ready: 2 at once. Ctrl-C stops it.\n"
    assert worker.returncode == 0
    assert "finishing what is in hand" in rest
    assert "Traceback" not in rest
    assert time.monotonic() - began < 5


@needs_connections
@pytest.mark.sql
def test_on_postgresql_too_it_starts_works_and_stops(environment):
    name = f"worker_{token_hex(4)}"
    server = psycopg.connect(SERVER, autocommit=True)
    server.execute(f"CREATE DATABASE {name}")
    environment["DATABASE_URL"] = f"{SERVER.rsplit('/', 1)[0]}/{name}"
    try:
        manage(environment, "migrate", "--verbosity", "0")
        with started(environment) as worker:
            assert "Worker ready" in worker.stdout.readline()
            send = "from transcription.tasks import advance; advance.enqueue(0)"
            manage(environment, "shell", "--command", send)
            statuses = []
            deadline = time.monotonic() + 10
            while statuses != ["SUCCESSFUL"] and time.monotonic() < deadline:
                time.sleep(0.1)
                with psycopg.connect(environment["DATABASE_URL"]) as database:
                    rows = database.execute(
                        "SELECT status FROM django_tasks_database_dbtaskresult"
                    )
                    statuses = [status for (status,) in rows]
            worker.send_signal(signal.SIGTERM)
            rest, _ = worker.communicate(timeout=20)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        server.close()

    assert statuses == ["SUCCESSFUL"]
    assert worker.returncode == 0
    assert "Traceback" not in rest


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


@needs_connections
@pytest.mark.django_db(transaction=True)
def test_a_message_wakes_the_worker_at_once():
    stopping = threading.Event()
    wakeups = Wakeups(stopping)
    woken = wakeups.subscribe("django_tasks_database_dbtaskresult")
    other = wakeups.subscribe("transcription_notification")
    wakeups.start()
    assert woken.wait(5), "it does not listen"
    woken.clear()
    other.clear()

    advance.enqueue(0)

    assert woken.wait(2)
    assert not other.is_set()
    stopping.set()
    wakeups.join(5)


class Once(threading.Event):
    """Tells the worker to stop when it first waits; how long it would have waited."""

    waited = None

    def wait(self, timeout=None):
        self.waited = timeout
        self.set()
        return True


def looked_after():
    stopping = Once()
    maintenance.run_maintenance(stopping)
    return stopping.waited


def messages(task):
    return DBTaskResult.objects.filter(task_path=task.module_path, priority=0)


def due():
    return timezone.now() - timedelta(seconds=1)


@pytest.mark.django_db(transaction=True)
def test_a_back_fill_that_waits_keeps_no_sweep_from_todays_calls():
    for number in range(engines.BACKLOG):
        advance.using(priority=-50).enqueue(10**6 + number)
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", next_attempt_at=due())

    looked_after()

    assert messages(check_call).count() == 1
    assert messages(advance).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_back_fill_that_waits_is_not_announced_again_and_again():
    recordings = [a_recording(sid=f"RE{n:032}") for n in range(engines.BACKLOG + 1)]
    Transcript.objects.bulk_create(
        Transcript(recording=recording, priority=-50) for recording in recordings
    )
    counts = []

    for _ in range(3):
        looked_after()
        counts.append(DBTaskResult.objects.ready().count())
        # So long ago that the messages might be lost.
        an_hour_ago = timezone.now() - timedelta(hours=1)
        Transcript.objects.update(announced_at=an_hour_ago)

    assert counts == [len(recordings)] * 3


class Unforeseen(Exception):
    pass


def refuses(*args):
    raise Unforeseen("secret words")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("kind", "other"), [("caller", "transcription"), ("transcription", "caller")]
)
def test_what_fails_in_one_sweep_keeps_the_other_from_nothing(
    monkeypatch, caplog, kind, other
):
    swept = []
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", recording=a_recording(), next_attempt_at=due())
    monkeypatch.setattr(f"{kind}.tasks.sweep", refuses)
    monkeypatch.setattr(f"{other}.tasks.sweep", lambda **_: swept.append(other))

    waited = looked_after()

    assert swept == [other]
    assert waited == 1
    assert "=failed unforeseen" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_after_a_night_without_a_fault_it_looks_again_when_it_should(settings):
    settings.SWEEP_SECONDS = 7

    assert looked_after() == 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [Unforeseen, OperationalError])
def test_a_thread_goes_on_whatever_happens(monkeypatch, caplog, error):
    stopping, runs = threading.Event(), []

    def work():
        runs.append(1)
        if len(runs) < 3:
            raise error("secret words")
        stopping.set()

    monkeypatch.setattr(loops, "AGAIN_SECONDS", 0)
    loops.Loop("notify", work, stopping, threading.Event()).run()

    assert len(runs) == 3
    assert caplog.text.count("notify=failed") == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("task", [check_call, advance])
def test_a_queue_full_of_one_kind_keeps_only_that_kind_from_being_swept(task):
    for number in range(engines.BACKLOG):
        task.enqueue(10**6 + number)
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", recording=a_recording(), next_attempt_at=due())

    looked_after()

    other = {check_call: advance, advance: check_call}[task]
    assert messages(task).count() == engines.BACKLOG
    assert messages(other).count() == 1


BROKERS = {
    "rabbitmq": ("amqp://guest:guest@127.0.0.1:5672//", 5672),
    "redis": ("redis://127.0.0.1:6379/5", 6379),
}
SEND = """
import time
from caller.models import Recording
from djtranscribe.worker.engines import engine
from transcription.tasks import advance, start
row = Recording.objects.create(source="file", status="completed")
row.store_audio([b"ID3" + bytes(50)])
transcript = start(row)
# The rows of these do not exist: they only wait.
for priority in (-100, 0, 100):
    advance.using(priority=priority).enqueue(10**6)
deadline = time.monotonic() + 20
while transcript.status == "pending" and time.monotonic() < deadline:
    time.sleep(0.05)
    transcript.refresh_from_db()
while engine().waiting() != 0 and time.monotonic() < deadline:
    time.sleep(0.05)
print(transcript.status, engine().waiting(), engine().has_backlog(advance))
"""


@pytest.mark.parametrize("name", BROKERS)
def test_a_broker_carries_the_messages(environment, name):
    url, port = BROKERS[name]
    if not is_open(port):
        not_to_be_had(f"no {name} answers")
    # A queue of its own, and no sweep that would replace a message.
    environment |= {"TASK_BROKER_URL": url, "SECRET_KEY": token_hex()}
    environment |= {"SWEEP_SECONDS": "10", "ASSEMBLYAI_API_URL": "http://127.0.0.1:9"}
    environment["DEBUG"] = "true"
    manage(environment, "migrate", "--verbosity", "0")

    with started(environment) as worker:
        assert "Worker ready" in worker.stdout.readline()
        said = manage(environment, "shell", "--no-imports", "--command", SEND).stdout
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=20)

    assert said == "fetched 0 False\n"
    assert worker.returncode == 0
    assert "Traceback" not in rest


def test_a_broker_that_is_away_stops_nobody(environment):
    environment |= {"TASK_BROKER_URL": "redis://:secret@127.0.0.1:9/0"}
    manage(environment, "migrate", "--verbosity", "0")
    send = (
        "from caller.tasks import check_call; from djtranscribe.worker.engines import "
        "engine; print(check_call.enqueue(1).status, engine().waiting())"
    )

    done = manage(environment, "shell", "--no-imports", "--command", send)

    assert done.stdout == "READY None\n"
    assert "task=caller.tasks.check_call sent=no" in done.stderr
    assert "secret" not in done.stderr


def test_a_broker_that_refuses_us_is_tried_again(environment):
    if not is_open(5672):
        not_to_be_had("no rabbitmq answers")
    environment["TASK_BROKER_URL"] = "amqp://nobody:s3cret@127.0.0.1:5672//"
    manage(environment, "migrate", "--verbosity", "0")

    with started(environment) as worker:
        lines = iter(worker.stdout.readline, "")
        refused = next(line for line in lines if "broker=refused" in line)
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=20)

    assert "level=ERROR" in refused
    assert worker.returncode == 0
    assert "s3cret" not in rest


def test_what_is_no_broker_is_refused(environment):
    environment["TASK_BROKER_URL"] = "sqla+sqlite:///queue"

    with pytest.raises(subprocess.CalledProcessError) as failed:
        manage(environment, "check")

    assert "TASK_BROKER_URL must begin with one of amqp://" in failed.value.stderr
