"""Only one worker works on a row, and it stores results only while it has the lease.

This is also true if messages are lost or duplicated, or if a clock jumps.
"""

import json
from contextlib import ExitStack
from datetime import timedelta
from uuid import uuid4

import pytest
import responses
from django.conf import settings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.caller.rows import MEDIA, a_recording
from tests.data import load, wav
from tests.threads import at_once, needs_connections
from tests.transcription.rows import (
    JOB,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    a_transcript,
    advanced,
    answers_well,
    make_due,
    nudge,
)
from transcription import tasks
from transcription.leases import hold_lease
from transcription.models import LeaseLost, Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def taken_over(transcript):
    """Let another worker take the lease, as if our worker were dead."""
    Transcript.objects.filter(pk=transcript.pk).update(
        lease=uuid4(), leased_until=timezone.now() + timedelta(seconds=50)
    )


def test_only_one_of_two_claims_gets_the_row():
    transcript = a_transcript()

    first = Transcript.objects.claim(transcript.pk)
    second = Transcript.objects.claim(transcript.pk)

    assert first.pk == transcript.pk
    assert second is None


@pytest.mark.django_db(transaction=True)
@needs_connections
def test_only_one_of_many_threads_gets_the_row():
    transcript = a_transcript()

    got = at_once(lambda: Transcript.objects.claim(transcript.pk))

    assert len([row for row in got if row]) == 1
    assert len(got) == 8


def test_row_that_is_not_due_cannot_be_claimed():
    later = timezone.now() + timedelta(seconds=5)
    transcript = a_transcript(next_attempt_at=later)

    assert Transcript.objects.claim(transcript.pk) is None


def test_the_row_of_a_dead_worker_is_free_once_its_lease_has_ended():
    ended = timezone.now() - timedelta(seconds=1)
    transcript = a_transcript(lease=uuid4(), leased_until=ended)

    claimed = Transcript.objects.claim(transcript.pk)

    assert claimed.lease != transcript.lease
    assert claimed.leased_until > timezone.now() + timedelta(seconds=50)


def test_lease_made_before_the_clock_was_set_back_is_ignored(settings):
    settings.LEASE_SECONDS = 60
    future = timezone.now() + timedelta(hours=1)
    transcript = a_transcript(lease=uuid4(), leased_until=future)

    assert Transcript.objects.claim(transcript.pk) is not None


@pytest.mark.parametrize("ahead", [0.01, 1, 5])
def test_lease_of_a_worker_with_a_slightly_fast_clock_is_valid(settings, ahead):
    until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + ahead)
    transcript = a_transcript(lease=uuid4(), leased_until=until)

    assert Transcript.objects.claim(transcript.pk) is None


def test_a_message_that_comes_twice_does_the_work_once(vendors):
    transcript = a_transcript("uploaded")
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)
    advanced(transcript)

    assert asked.call_count == 1


def test_a_message_that_comes_while_another_works_does_nothing(vendors):
    transcript = a_transcript("uploaded")

    def meanwhile(request):
        tasks.advance.call(transcript.pk)
        return 200, {}, json.dumps(load("assemblyai/queued"))

    vendors.add_callback(responses.POST, TRANSCRIPT, meanwhile)
    advanced(transcript)

    assert len(vendors.calls) == 1
    assert transcript.status == "queued"


@pytest.mark.parametrize(
    ("status", "method", "url", "body"),
    [
        ("fetched", "POST", UPLOAD, "assemblyai/upload"),
        ("uploaded", "POST", TRANSCRIPT, "assemblyai/queued"),
        ("queued", "GET", JOB, "assemblyai/completed"),
        ("queued", "GET", JOB, "assemblyai/error"),
        ("queued", "GET", JOB, "assemblyai/deleted"),
    ],
)
def test_worker_that_lost_its_lease_writes_nothing(
    vendors, status, method, url, body, caplog
):
    transcript = a_transcript(status)
    seen = []

    def meanwhile(request):
        taken_over(transcript)
        seen.append(Transcript.objects.values().get(pk=transcript.pk))
        return 200, {}, json.dumps(load(body))

    vendors.add_callback(method, url, meanwhile)
    advanced(transcript)

    assert Transcript.objects.values().get(pk=transcript.pk) == seen[0]
    assert "lease=lost" in caplog.text


@pytest.mark.parametrize("status_code", [401, 400, 500])
def test_worker_that_lost_its_lease_writes_no_failure(vendors, status_code):
    transcript = a_transcript("queued")

    def meanwhile(request):
        taken_over(transcript)
        return status_code, {}, "{}"

    vendors.add_callback(responses.GET, JOB, meanwhile)
    advanced(transcript)

    assert (transcript.status, transcript.error, transcript.attempts) == (
        "queued",
        "",
        0,
    )


def test_a_long_download_keeps_its_lease(vendors, settings):
    transcript = a_transcript("pending")
    claimed = Transcript.objects.claim(transcript.pk)
    Transcript.objects.update(leased_until=timezone.now() + timedelta(seconds=1))
    vendors.get(MEDIA, body=wav(200))  # 3.2 MB, which are read in many pieces

    claimed.recording.fetch_audio(claimed.keep_lease)

    transcript.refresh_from_db()
    assert transcript.leased_until > timezone.now() + timedelta(seconds=50)
    assert transcript.lease == claimed.lease


def test_one_query_extends_all_active_leases_of_a_process():
    recordings = [a_recording(sid=f"RE{number:032}") for number in range(4)]
    rows = [a_transcript("pending", recording=each) for each in recordings]
    held = [Transcript.objects.claim(row.pk) for row in rows]
    soon = timezone.now() + timedelta(seconds=1)
    with ExitStack() as stack:
        for each in held:
            stack.enter_context(hold_lease(each))
            each.keep_lease()
        Transcript.objects.update(leased_until=soon)
        # Pretend that the leases were last extended 16 seconds ago.
        for each in held:
            each.lease_kept_at -= settings.LEASE_SECONDS / 4 + 1
        # Pretend that the third row has made no progress since then.
        held[2].worked_at = held[2].lease_kept_at
        taken_over(rows[3])

        with CaptureQueriesContext(connection) as queries:
            held[0].keep_lease()
            held[1].keep_lease()
        with pytest.raises(LeaseLost):
            held[3].keep_lease()

    updates = [each["sql"] for each in queries if each["sql"].startswith("UPDATE")]
    assert len(updates) == 1
    ends = [Transcript.objects.get(pk=row.pk).leased_until for row in rows[:3]]
    assert [end > soon for end in ends] == [True, True, False]


def test_a_download_stops_when_another_has_taken_the_row_over(vendors):
    transcript = a_transcript("pending")
    claimed = Transcript.objects.claim(transcript.pk)
    taken_over(transcript)
    vendors.get(MEDIA, body=wav(200))

    with pytest.raises(LeaseLost):
        claimed.recording.fetch_audio(claimed.keep_lease)

    transcript.recording.refresh_from_db()
    assert not transcript.recording.audio


def test_audio_that_two_fetched_is_stored_once(vendors, media):
    transcript = a_transcript("pending")
    first, second = transcript.recording, type(transcript.recording).objects.get()
    vendors.get(MEDIA, body=wav())

    first.fetch_audio(lambda: None)
    second.fetch_audio(lambda: None)

    assert second.audio.name == first.audio.name
    assert len(list(media.rglob("*.wav"))) == 1


# The webhook


def test_a_webhook_makes_the_row_due_at_once(client, vendors):
    transcript = a_transcript("queued")
    Transcript.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=10))
    vendors.get(JOB, json=load("assemblyai/completed"))

    answer = nudge(client, transcript)
    advanced(transcript)

    assert answer.status_code == 204
    assert transcript.text == TEXT


def test_a_webhook_that_comes_while_the_row_is_worked_on_is_not_lost(client, vendors):
    transcript = a_transcript("queued")
    codes = []

    def still_processing(request):
        codes.append(nudge(client, transcript).status_code)
        return 200, {}, json.dumps(load("assemblyai/queued", status="processing"))

    first = vendors.add_callback(responses.GET, JOB, still_processing)
    vendors.get(JOB, json=load("assemblyai/completed"))
    advanced(transcript)

    assert codes == [204]
    assert first.call_count == 1
    assert transcript.text == TEXT


def test_webhook_before_the_job_id_is_stored_gets_503(client, vendors):
    transcript = a_transcript("uploaded")
    codes = []

    def fast(request):
        codes.append(nudge(client, transcript).status_code)
        return 200, {}, json.dumps(load("assemblyai/queued"))

    vendors.add_callback(responses.POST, TRANSCRIPT, fast)
    advanced(transcript)
    codes.append(nudge(client, transcript).status_code)

    assert codes == [503, 204]


def test_webhook_body_is_not_trusted(client, vendors):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/queued", status="processing"))

    lie = {"transcript_id": "x", "status": "error", "text": "Lies."}
    nudge(client, transcript, lie)
    advanced(transcript)

    assert (transcript.status, transcript.text) == ("processing", "")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b"null"])
def test_an_authentic_webhook_may_have_any_body(client, body):
    transcript = a_transcript("queued")

    answer = nudge(client, transcript, body)

    assert answer.status_code == 204


def test_token_of_one_transcript_is_refused_for_another(client):
    mine = a_transcript("queued")
    other = a_transcript("queued", recording=mine.recording, assemblyai_id="other")

    answer = client.post(
        f"/webhooks/assemblyai/{other.uuid}/",
        headers={"X-Djtranscribe-Token": mine.webhook_token()},
    )

    assert answer.status_code == 403


def test_token_stays_valid_while_the_old_secret_key_is_a_fallback(client, settings):
    transcript = a_transcript("queued")
    headers = {"X-Djtranscribe-Token": transcript.webhook_token()}
    path = f"/webhooks/assemblyai/{transcript.uuid}/"
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new one"

    dropped = client.post(path, headers=headers)
    settings.SECRET_KEY_FALLBACKS = [old]
    kept = client.post(path, headers=headers)

    assert (dropped.status_code, kept.status_code) == (403, 204)


def test_a_webhook_about_a_transcript_that_we_deleted_does_not_come_again(client):
    transcript = a_transcript("queued")
    token, path = transcript.webhook_token(), f"/webhooks/assemblyai/{transcript.uuid}/"
    transcript.delete()

    answer = client.post(path, headers={"X-Djtranscribe-Token": token})

    assert answer.status_code == 404  # AssemblyAI does not retry after a 4xx


def test_webhook_gets_503_if_the_database_is_unavailable(client, monkeypatch):
    transcript = a_transcript("queued")

    def away(*args, **kwargs):
        raise OperationalError("the database is away")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", away)
    answer = nudge(client, transcript)

    assert answer.status_code == 503


# The sweep


@pytest.mark.django_db(transaction=True)
def test_the_sweep_sends_a_message_once_and_again_when_it_was_lost(vendors, work):
    transcript = a_transcript("pending")
    vendors.get(MEDIA, body=wav())
    answers_well(vendors)

    sent = [tasks.sweep(), tasks.sweep()]
    ago = timezone.now() - timedelta(seconds=settings.RECOVER_SECONDS / 3 + 1)
    Transcript.objects.update(announced_at=ago)
    sent.append(tasks.sweep())
    work()

    transcript.refresh_from_db()
    assert sent == [1, 0, 1]
    assert transcript.status == "queued"


def test_the_sweep_leaves_rows_that_wait_are_finished_or_are_worked_on():
    recording = a_transcript("error").recording
    soon = timezone.now() + timedelta(seconds=5)
    a_transcript(recording=recording, next_attempt_at=soon)
    held = {"lease": uuid4(), "leased_until": timezone.now() + timedelta(seconds=5)}
    a_transcript(recording=recording, **held)

    assert tasks.sweep() == 0


def test_sweep_resends_messages_dated_in_the_future():
    a_transcript(announced_at=timezone.now() + timedelta(hours=1))

    assert tasks.sweep() == 1


def test_sweep_takes_a_limited_number_of_rows_longest_waiting_first():
    recording = a_transcript().recording
    for minutes in (3, 1, 2):
        since = timezone.now() - timedelta(minutes=minutes)
        a_transcript(recording=recording, next_attempt_at=since)

    sent = tasks.sweep(limit=2)

    announced = Transcript.objects.exclude(announced_at=None)
    waits = sorted(row.next_attempt_at for row in Transcript.objects.all())
    assert sent == 2
    assert sorted(row.next_attempt_at for row in announced) == waits[:2]


def test_processing_a_row_clears_its_announced_mark(vendors):
    transcript = a_transcript("queued", announced_at=timezone.now())
    vendors.get(JOB, json=load("assemblyai/queued"))

    advanced(transcript)
    make_due(transcript)

    assert tasks.sweep() == 1


def test_message_for_a_leased_row_does_not_block_the_next_message():
    transcript = a_transcript("queued")
    taken_over(transcript)
    assert tasks.enqueue_once(transcript.pk)

    tasks.advance.call(transcript.pk)

    assert tasks.enqueue_once(transcript.pk)


def test_the_webhook_of_a_back_fill_does_not_delay_todays_calls(
    client, django_capture_on_commit_callbacks
):
    later = timezone.now() + timedelta(seconds=20)
    transcript = a_transcript("queued", priority=-50, next_attempt_at=later)

    with django_capture_on_commit_callbacks(execute=True):
        nudge(client, transcript)

    assert DBTaskResult.objects.get().priority == -50


def test_a_repeated_webhook_does_not_move_a_row_that_is_due_already(client):
    transcript = a_transcript(
        "queued", next_attempt_at=timezone.now() + timedelta(seconds=20)
    )

    nudge(client, transcript)
    transcript.refresh_from_db()
    due_at = transcript.next_attempt_at
    nudge(client, transcript)

    transcript.refresh_from_db()
    assert transcript.next_attempt_at == due_at < timezone.now()


def test_a_webhook_during_a_step_makes_the_row_due_after_it(client):
    transcript = a_transcript("queued", next_attempt_at=timezone.now())
    mine = Transcript.objects.claim(transcript.pk)

    nudge(client, transcript)
    mine.release(wait=timedelta(seconds=20))

    transcript.refresh_from_db()
    assert transcript.next_attempt_at < timezone.now()
