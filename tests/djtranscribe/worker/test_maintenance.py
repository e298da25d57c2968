"""How the worker wakes up, queues overdue work, prunes rows and survives errors."""

import threading
from datetime import timedelta
from unittest.mock import MagicMock

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from caller.tasks import check_call
from djtranscribe.management.commands.worker import helpers
from djtranscribe.worker import engines, loops, maintenance
from djtranscribe.worker.celery_queue import CeleryQueue
from djtranscribe.worker.waking import Wakeups
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.threads import needs_connections
from tests.transcription.rows import a_transcript
from transcription.models import Transcript
from transcription.tasks import advance

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql]


@needs_connections
def test_a_message_wakes_the_worker_at_once():
    stopping = threading.Event()
    wakeups = Wakeups(stopping)
    woken = wakeups.subscribe("django_tasks_database_dbtaskresult")
    other = wakeups.subscribe("transcription_notification")
    wakeups.start()
    assert woken.wait(60), "it does not listen"
    woken.clear()
    other.clear()

    advance.enqueue(0)

    assert woken.wait(60)
    assert not other.is_set()
    stopping.set()
    wakeups.join(5)


class Once(threading.Event):
    """Stop the worker at its first wait. `waited`: the seconds it wanted to wait."""

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


def test_a_back_fill_that_waits_keeps_no_sweep_from_todays_calls():
    for number in range(engines.BACKLOG):
        advance.using(priority=-50).enqueue(10**6 + number)
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", next_attempt_at=due())

    looked_after()

    assert messages(check_call).count() == 1
    assert messages(advance).count() == 1


def test_a_back_fill_that_waits_is_not_announced_again_and_again():
    recordings = [a_recording(sid=f"RE{n:032}") for n in range(engines.BACKLOG + 1)]
    Transcript.objects.bulk_create(
        Transcript(recording=recording, priority=-50) for recording in recordings
    )
    counts = []

    for _ in range(3):
        looked_after()
        counts.append(DBTaskResult.objects.ready().count())
        # Make the messages look an hour old, as if they were lost.
        an_hour_ago = timezone.now() - timedelta(hours=1)
        Transcript.objects.update(announced_at=an_hour_ago)

    assert counts == [len(recordings)] * 3


@pytest.mark.parametrize(
    ("status", "waited", "has_run_for", "is_kept"),
    [
        ("READY", timedelta(days=29), None, True),
        ("READY", timedelta(days=31), None, False),
        ("RUNNING", timedelta(days=2), timedelta(hours=23), True),
        ("RUNNING", timedelta(days=2), timedelta(hours=25), False),
        ("SUCCESSFUL", timedelta(days=2), timedelta(hours=23), True),
        ("FAILED", timedelta(days=2), timedelta(hours=25), False),
    ],
)
@pytest.mark.parametrize("broker", ["", "redis://127.0.0.1:1"])
def test_old_messages_are_deleted_whatever_became_of_them(
    settings, broker, status, waited, has_run_for, is_kept
):
    settings.TASK_BROKER_SECRET_URL = broker
    now = timezone.now()
    message = advance.enqueue(0)
    DBTaskResult.objects.filter(pk=message.id).update(
        status=status,
        enqueued_at=now - waited,
        started_at=has_run_for and now - has_run_for,
    )

    maintenance.prune_messages()

    assert DBTaskResult.objects.exists() == is_kept


class Unforeseen(Exception):
    pass


def refuses(*args):
    raise Unforeseen("secret words")


@pytest.mark.parametrize(
    ("kind", "other"), [("caller", "transcription"), ("transcription", "caller")]
)
def test_failed_sweep_does_not_block_the_other_sweep(monkeypatch, caplog, kind, other):
    swept = []
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", recording=a_recording(), next_attempt_at=due())
    monkeypatch.setattr(f"{kind}.tasks.sweep", refuses)
    monkeypatch.setattr(f"{other}.tasks.sweep", lambda **_: swept.append(other))

    waited = looked_after()

    assert swept == [other]
    assert waited == 1
    assert "=failed unforeseen" in caplog.text


def test_slow_pruning_does_not_delay_the_sweep(monkeypatch):
    stopping, began, may_end = (threading.Event() for _ in range(3))
    a_transcript("pending", next_attempt_at=due())

    def slow():
        began.set()
        assert may_end.wait(60)

    next_step = MagicMock()
    monkeypatch.setattr(maintenance, "PRUNING", [slow, next_step])
    threads = helpers(Wakeups(stopping), stopping)
    (pruning,) = (thread for thread in threads if thread.name == "prune")
    pruning.start()
    assert began.wait(60)

    looked_after()

    assert messages(advance).count() == 1
    stopping.set()
    may_end.set()
    pruning.join(60)
    assert not pruning.is_alive()
    assert not next_step.called


def test_failed_pruning_step_does_not_block_the_others(monkeypatch, caplog):
    pruned = []
    steps = [refuses, lambda: pruned.append(1)]
    monkeypatch.setattr(maintenance, "PRUNING", steps)
    stopping = Once()

    maintenance.run_pruning(stopping)

    assert pruned == [1]
    assert stopping.waited == 3600
    assert "refuses=failed unforeseen" in caplog.text


def test_sweep_runs_often_enough_to_recover_in_time(settings):
    settings.RECOVER_SECONDS = 45

    assert looked_after() == 5


@pytest.mark.parametrize("error", [Unforeseen, OperationalError])
def test_a_thread_goes_on_whatever_happens(monkeypatch, caplog, error):
    stopping, runs = threading.Event(), []

    def work():
        runs.append(1)
        if len(runs) < 3:
            raise error("secret words")
        stopping.set()
        return True

    monkeypatch.setattr(loops, "RETRY_SECONDS", 0)
    loops.Loop("notify", work, stopping, threading.Event()).run()

    assert len(runs) == 3
    assert caplog.text.count("notify=failed") == 2


@pytest.mark.parametrize(
    ("waiting", "back_fill", "sent"),
    [(0, 0, 1), (199, 0, 1), (200, 0, 0), (201, 1, 0), (201, 2, 1), (None, 0, 0)],
)
def test_a_broker_with_a_full_queue_gets_no_more_messages(
    monkeypatch, waiting, back_fill, sent
):
    monkeypatch.setattr(CeleryQueue, "waiting", lambda self: waiting)
    monkeypatch.setattr(maintenance, "engine", CeleryQueue)
    recording = a_recording()
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", recording=recording, next_attempt_at=due())
    for _ in range(back_fill):
        queued = {"priority": -50, "announced_at": timezone.now()}
        a_transcript("pending", recording=recording, **queued)

    looked_after()

    assert messages(check_call).count() == sent
    assert messages(advance).count() == sent


@pytest.mark.parametrize("task", [check_call, advance])
def test_full_queue_of_one_kind_does_not_block_the_other_kind(task):
    for number in range(engines.BACKLOG):
        task.enqueue(10**6 + number)
    a_call(sid=CALL_SID, status="ringing", next_check_at=due())
    a_transcript("pending", recording=a_recording(), next_attempt_at=due())

    looked_after()

    other = {check_call: advance, advance: check_call}[task]
    assert messages(task).count() == engines.BACKLOG
    assert messages(other).count() == 1
