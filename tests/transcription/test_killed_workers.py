"""A step that killed five workers is given up. SIGTERM does not count as a kill."""

import json
from datetime import timedelta
from threading import Thread

import pytest
import responses
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from tests.caller.rows import MEDIA
from tests.data import load, wav
from tests.threads import at_once, needs_connections
from tests.transcription.notification import a_notification
from tests.transcription.rows import (
    JOB,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    a_transcript,
    advanced,
    answers_well,
    make_due,
)
from transcription import leases, tasks
from transcription.models import Notification, Transcript
from transcription.notifications import delivery

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def stopped():
    """Return the function that a worker calls after SIGTERM."""
    yield leases.stop_counting_kills
    leases._stopping.clear()


def expire(rows=Transcript.objects):
    rows.exclude(lease=None).update(leased_until=timezone.now())


def kill(transcript, times=1):
    """Simulate workers that claim the row and die without storing an outcome."""
    for _ in range(times):
        make_due(transcript)
        assert Transcript.objects.claim(transcript.pk)
        expire()


def answer(vendors, status):
    """Let the vendor answer the request of this step with a temporary failure."""
    where = {
        "pending": ("GET", MEDIA),
        "fetched": ("POST", UPLOAD),
        "uploaded": ("POST", TRANSCRIPT),
        "lost": ("GET", TRANSCRIPT),
        "queued": ("GET", JOB),
        "processing": ("GET", JOB),
    }
    return vendors.add(*where[status], status=503)


@pytest.mark.parametrize(
    ("status", "doing"),
    [
        ("pending", "fetching the audio"),
        ("fetched", "handing the audio to AssemblyAI"),
        ("uploaded", "asking AssemblyAI"),
        ("submitting", "asking AssemblyAI"),
        ("lost", "asking AssemblyAI"),
        ("queued", "reading the result"),
        ("processing", "reading the result"),
        ("a-new-word", "reading the result"),
    ],
)
def test_a_step_that_killed_five_workers_is_given_up(vendors, status, doing):
    transcript = a_transcript(status)
    kill(transcript, 5)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("error", "permanent")
    assert f"killed 5 times while it was {doing}" in transcript.error
    assert "memory" in transcript.error
    assert transcript.finished_at
    assert not vendors.calls


@pytest.mark.parametrize("status", ["pending", "fetched", "lost", "queued"])
def test_row_that_killed_four_workers_is_tried_again(vendors, status):
    transcript = a_transcript(status)
    asked = answer(vendors, status)
    kill(transcript, 4)

    advanced(transcript)

    assert asked.call_count == 1
    assert (transcript.attempts, transcript.error_class) == (1, "temporary")


def test_a_request_that_kills_the_worker_is_not_repeated_for_ever(vendors):
    """After a kill, the next step only waits. It must not reset `kills`."""
    transcript = a_transcript("uploaded")
    vendors.get(TRANSCRIPT, json=load("assemblyai/list"))

    def killed(request):
        raise SystemExit

    vendors.add_callback(responses.POST, TRANSCRIPT, killed)
    for _ in range(20):
        make_due(transcript)
        claimed = Transcript.objects.claim(transcript.pk)
        if claimed is None:
            break
        try:
            tasks.take_step(claimed)
        except SystemExit:
            expire()

    transcript.refresh_from_db()
    assert "killed 5 times" in transcript.error
    posts = [call for call in vendors.calls if call.request.method == "POST"]
    assert len(posts) == 5


@pytest.mark.parametrize("status", ["pending", "uploaded", "queued"])
def test_errors_and_kills_are_counted_separately(vendors, status):
    transcript = a_transcript(status, attempts=7)
    if status == "uploaded":
        vendors.post(TRANSCRIPT, status=429)
    else:
        answer(vendors, status)

    kill(transcript, 2)
    for _ in range(4):
        make_due(transcript)
        advanced(transcript)

    assert (transcript.attempts, transcript.kills) == (11, 2)


def test_errors_between_kills_do_not_reset_the_kill_count(vendors):
    transcript = a_transcript("queued")
    vendors.get(JOB, status=503)

    for _ in range(5):
        kill(transcript)
        make_due(transcript)
        advanced(transcript)
    make_due(transcript)
    advanced(transcript)

    assert "killed 5 times" in transcript.error


def test_a_success_starts_the_count_anew(vendors):
    transcript = a_transcript("pending")
    kill(transcript, 4)
    vendors.get(MEDIA, body=wav())
    vendors.post(UPLOAD, status=503)

    make_due(transcript)
    advanced(transcript)

    assert (transcript.status, transcript.kills) == ("fetched", 0)


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 401},
        {"status": 400, "json": {"error": "Your current account balance is negative."}},
    ],
)
def test_vendor_pause_does_not_count_as_a_kill(vendors, refusal):
    transcript = a_transcript("queued")
    vendors.get(JOB, **refusal)

    for _ in range(12):
        make_due(transcript)
        advanced(transcript)

    assert (transcript.error_class, transcript.kills) == ("account", 0)


def test_a_slow_worker_that_lost_its_lease_was_not_killed(vendors):
    transcript = a_transcript("queued")

    def slow(request):
        expire()
        Transcript.objects.claim(transcript.pk)
        return 200, {}, json.dumps(load("assemblyai/completed"))

    vendors.add_callback(responses.GET, JOB, slow)
    tasks.advance.call(transcript.pk)

    transcript.refresh_from_db()
    # Both claims added 1. The slow worker is alive, so it has subtracted its 1.
    assert transcript.kills == 1
    Transcript.objects.update(lease=None, leased_until=None, kills=0)
    vendors.replace(responses.GET, JOB, json=load("assemblyai/completed"))
    assert advanced(transcript).text == TEXT


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, OperationalError])
def test_worker_ended_by_an_exception_does_not_count_as_a_kill(
    vendors, end, monkeypatch
):
    transcript = a_transcript("queued")

    def ends(request):
        raise end

    vendors.add_callback(responses.GET, JOB, ends)
    for _ in range(8):
        make_due(transcript)
        with pytest.raises(end):
            tasks.advance.call(transcript.pk)
        expire()

    transcript.refresh_from_db()
    assert (transcript.status, transcript.kills) == ("queued", 0)


def test_a_worker_that_was_told_to_stop_and_then_killed_is_not_counted(
    vendors, stopped
):
    transcript = a_transcript("queued")
    kills = []

    def told_to_stop(request):
        stopped()
        kills.append(Transcript.objects.get().kills)
        return 200, {}, json.dumps(load("assemblyai/queued"))

    vendors.add_callback(responses.GET, JOB, told_to_stop)
    advanced(transcript)
    vendors.replace(responses.GET, JOB, json=load("assemblyai/queued"))

    assert kills == [0]
    make_due(transcript)
    # A step that begins after the stop signal does not count as a kill either.
    with leases.hold_lease(Transcript.objects.claim(transcript.pk)):
        assert Transcript.objects.get().kills == 0


def test_a_stopping_worker_subtracts_its_kill_only_once(vendors, stopped):
    transcript = a_transcript("queued")
    kill(transcript, 2)

    def told_to_stop(request):
        stopped()
        return 503, {}, ""

    vendors.add_callback(responses.GET, JOB, told_to_stop)
    make_due(transcript)

    assert advanced(transcript).kills == 2


@needs_connections
@pytest.mark.django_db(transaction=True)
def test_a_step_that_ends_while_the_worker_stops_is_not_counted(vendors, stopped):
    other = a_transcript("pending")
    transcript = a_transcript("pending", recording=other.recording, kills=1)
    answer(vendors, "pending")

    def stop():
        stopped()
        connection.close()

    stopping = Thread(target=stop)
    other, held = (Transcript.objects.claim(row.pk) for row in (other, transcript))
    with leases.hold_lease(other), transaction.atomic():
        # Lock the other row, so that `stop` waits before it handles ours.
        Transcript.objects.select_for_update().get(pk=other.pk)
        with leases.hold_lease(held):
            stopping.start()
            assert leases._stopping.wait(5)
            tasks.take_step(held)
    stopping.join()

    transcript.refresh_from_db()
    assert (transcript.attempts, transcript.kills) == (1, 1)


def test_retry_resets_the_kill_count(vendors):
    transcript = a_transcript("fetched")
    kill(transcript, 5)
    advanced(transcript)

    assert transcript.retry()
    answers_well(vendors)
    make_due(transcript)
    advanced(transcript)

    assert (transcript.status, transcript.kills) == ("queued", 0)


def test_only_one_row_with_repeated_kills_runs_at_a_time():
    """If two rows ran at once, both would be blamed for the kill that one caused."""
    recording = a_transcript("error").recording
    one, other = (a_transcript(recording=recording, kills=2) for _ in range(2))
    rest = [a_transcript(recording=recording, kills=kills) for kills in (0, 0, 1, 1)]

    claimed = [Transcript.objects.claim(row.pk) for row in (one, other, *rest)]

    assert [bool(row) for row in claimed] == [True, False, True, True, True, True]
    expire()
    make_due(other)
    assert Transcript.objects.claim(other.pk)


@needs_connections
@pytest.mark.django_db(transaction=True)
def test_only_one_of_many_threads_gets_a_row_with_repeated_kills():
    recording = a_transcript("error").recording
    rows = [a_transcript(recording=recording, kills=2) for _ in range(8)]
    keys = iter([row.pk for row in rows])

    claimed = at_once(lambda: Transcript.objects.claim(next(keys)))

    assert len([row for row in claimed if row]) == 1


# Notifications


URL = "https://receiver.example.com/hook"


def kill_sender(times=1):
    for _ in range(times):
        assert Notification.objects.claim("webhook")
        expire(Notification.objects)


@pytest.fixture
def receiver(settings, vendors):
    settings.NOTIFY_URL, settings.NOTIFY_SECRETS = URL, ["whsec_" + "QUFB" * 8]
    a_notification(transcript=a_transcript("completed"))
    return vendors


def test_a_notification_that_killed_five_workers_is_given_up(receiver):
    kill_sender(5)

    delivery.deliver("webhook")

    row = Notification.objects.get()
    assert row.state == "given-up"
    assert "killed 5 times while it was sending" in row.answer
    assert not receiver.calls


def test_killed_senders_do_not_use_up_the_delivery_attempts(receiver):
    receiver.post(URL, status=500)
    kill_sender(4)

    waits = 0
    while Notification.objects.get().state == "pending":
        moment = timezone.now() - timedelta(seconds=1)
        Notification.objects.update(next_attempt_at=moment)
        delivery.deliver("webhook")
        waits += 1

    assert waits == 9
    assert "Given up after 9 attempts" in Notification.objects.get().answer


def test_a_sender_that_was_told_to_stop_is_not_counted(receiver, stopped):
    kills = []

    def told_to_stop(request):
        stopped()
        kills.append(Notification.objects.get().kills)
        return 204, {}, ""

    receiver.add_callback(responses.POST, URL, told_to_stop)
    delivery.deliver("webhook")

    assert kills == [0]
    assert Notification.objects.get().state == "sent"
