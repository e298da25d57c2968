"""The worker process: it starts, does its work, queues overdue work and stops."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from secrets import token_hex

import psycopg
import pytest

from djtranscribe.management.commands.worker import STOP_SECONDS
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.waiting import is_open, until
from tests.djtranscribe.test_settings import ROOT
from tests.postgresql import new_database
from tests.processes import environment, manage, shell
from tests.threads import needs_connections


@pytest.fixture(name="environment")
def environment_with_tables(tmp_path, migrated):
    return environment(tmp_path, RECOVER_SECONDS="9")


@pytest.fixture
def worker(environment):
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
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    process.stdout.close()


def test_it_says_that_it_is_ready_and_stops_when_told(worker):
    line = worker.stdout.readline()
    worker.send_signal(signal.SIGINT)
    rest, _ = worker.communicate(timeout=60)

    assert line == "Worker ready: up to 2 tasks at once. Ctrl-C stops it.\n"
    assert worker.returncode == 0
    assert "Finishing the current work" in rest
    assert "Traceback" not in rest


@needs_connections
@pytest.mark.sql
def test_on_postgresql_too_it_starts_works_and_stops(environment):
    with new_database("worker") as url:
        environment["DATABASE_URL"] = url
        manage(environment, "migrate", "--verbosity", "0")
        with started(environment) as worker:
            assert "Worker ready" in worker.stdout.readline()
            send = "from transcription.tasks import advance; advance.enqueue(0)"
            manage(environment, "shell", "--command", send)
            select = "SELECT status FROM django_tasks_database_dbtaskresult"
            with psycopg.connect(url, autocommit=True) as database:
                until(
                    "the task was run",
                    lambda: database.execute(select).fetchall() == [("SUCCESSFUL",)],
                )
            worker.send_signal(signal.SIGTERM)
            rest, _ = worker.communicate(timeout=60)

    assert worker.returncode == 0
    assert "Traceback" not in rest


@pytest.fixture
def offline(environment):
    """Let the worker use a URL at which nobody listens, instead of AssemblyAI."""
    environment |= {"ASSEMBLYAI_API_URL": "http://127.0.0.1:9", "DEBUG": "true"}


def test_worker_continues_an_abandoned_transcript_until_sigterm(
    offline, worker, environment, tmp_path
):
    make = (
        "from caller.models import Recording; "
        "from transcription.models import Transcript; "
        "r = Recording.objects.create(source='file', status='completed'); "
        "r.store_audio([b'ID3' + bytes(50)]); "
        "Transcript.objects.create(recording=r)"
    )
    worker.stdout.readline()
    manage(environment, "shell", "--command", make)

    select = "select status from transcription_transcript"
    with closing(sqlite3.connect(tmp_path / "db.sqlite3", timeout=60)) as database:
        until(
            "the transcript is fetched",
            lambda: database.execute(select).fetchall() == [("fetched",)],
        )
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    rest, _ = worker.communicate(timeout=60)

    assert worker.returncode == 0
    assert "Finishing the current work" in rest
    assert "Traceback" not in rest
    # The worker waits for STOP_SECONDS if a helper thread does not stop.
    assert time.monotonic() - began < STOP_SECONDS


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
# There are no such rows, so the worker takes these messages and does nothing.
for priority in (-100, 0, 100):
    advance.using(priority=priority).enqueue(10**6)
deadline = time.monotonic() + 60
while transcript.status == "pending" and time.monotonic() < deadline:
    time.sleep(0.05)
    transcript.refresh_from_db()
while engine().waiting() != 0 and time.monotonic() < deadline:
    time.sleep(0.05)
print(transcript.status, engine().waiting(), engine().has_backlog(advance))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKERS)
def test_a_broker_carries_the_messages(environment, name):
    url, port = BROKERS[name]
    if not is_open(port):
        skip_or_fail_in_ci(f"no {name} answers")
    # The random SECRET_KEY gives the test its own queue. RECOVER_SECONDS is so long
    # that the worker does not queue a lost message again during the test.
    environment |= {"TASK_BROKER_URL": url, "SECRET_KEY": token_hex()}
    environment |= {"RECOVER_SECONDS": "3600", "DEBUG": "true"}
    environment["ASSEMBLYAI_API_URL"] = "http://127.0.0.1:9"

    with started(environment) as worker:
        assert "Worker ready" in worker.stdout.readline()
        said = manage(environment, "shell", "--no-imports", "--command", SEND).stdout
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=60)

    assert said == "fetched 0 False\n"
    assert worker.returncode == 0
    assert "Traceback" not in rest


def test_enqueueing_succeeds_without_a_reachable_broker(environment):
    environment |= {"TASK_BROKER_URL": "redis://:secret@127.0.0.1:9/0"}
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
        skip_or_fail_in_ci("no rabbitmq answers")
    environment["TASK_BROKER_URL"] = "amqp://nobody:s3cret@127.0.0.1:5672//"

    with started(environment) as worker:
        lines = iter(worker.stdout.readline, "")
        refused = next(line for line in lines if "broker=refused" in line)
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=60)

    assert "level=ERROR" in refused
    assert worker.returncode == 0
    assert "s3cret" not in rest


@pytest.mark.parametrize(
    ("login", "waiting"), [("nobody:s3cret", "None"), ("guest:guest", "0")]
)
def test_a_broker_that_refuses_us_has_an_unknown_number_of_messages(
    environment, login, waiting
):
    if not is_open(5672):
        skip_or_fail_in_ci("no rabbitmq answers")
    # The queue's name depends on SECRET_KEY, so this queue does not exist.
    environment |= {"SECRET_KEY": token_hex(32)}
    environment["TASK_BROKER_URL"] = f"amqp://{login}@127.0.0.1:5672//"
    count = "from djtranscribe.worker.engines import engine; print(engine().waiting())"

    assert shell(environment, count) == f"{waiting}\n"


def test_unsupported_broker_url_is_refused(environment):
    environment["TASK_BROKER_URL"] = "sqla+sqlite:///queue"

    with pytest.raises(subprocess.CalledProcessError) as failed:
        manage(environment, "check")

    assert "TASK_BROKER_URL must begin with one of amqp://" in failed.value.stderr
