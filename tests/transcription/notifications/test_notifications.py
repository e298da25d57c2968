"""Notifications that a transcript is finished.

Each completion or failure is reported once, even after many retries. A notification
contains no words of the transcript and no phone number.
"""

import logging
import time
from datetime import datetime, timedelta
from datetime import timezone as tz
from email.utils import format_datetime
from uuid import uuid4

import pytest
import requests
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from tests.caller.rows import NUMBER, a_call, a_recording
from tests.chaos.waiting import free_port
from tests.data import load
from tests.live.receiver import babbler
from tests.threads import at_once, needs_connections
from tests.transcription.notification import a_notification
from tests.transcription.rows import JOB, TEXT, a_transcript, advanced, make_due
from transcription.models import LeaseLost, Notification, Transcript
from transcription.notifications import delivery
from transcription.notifications import webhook as outgoing_webhook
from transcription.notifications.content import redact_error
from transcription.notifications.models import LEASE, MAX_ATTEMPTS, WAITS_SECONDS
from transcription.tasks import advance

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

URL = "https://receiver.example.com/hooks/a-secret-path"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.NOTIFY_URL = URL
    settings.NOTIFY_SECRETS = [SECRET]
    settings.DEFAULT_FROM_EMAIL = "transcripts@djtranscribe.example.com"


@pytest.fixture
def call():
    ada = User.objects.create_user("ada", "ada@example.com")
    return a_call(status="completed", next_check_at=None, requested_by=ada)


@pytest.fixture
def transcript(call):
    return a_transcript("queued", recording=a_recording(call=call))


@pytest.fixture
def completed(vendors, transcript):
    vendors.get(JOB, json=load("assemblyai/completed"))
    return advanced(transcript)


@pytest.fixture
def failed(vendors, transcript):
    reason = (
        "Decode error, no audio in https://media.example/RE1.wav of +1 415 555 1234"
    )
    vendors.get(JOB, json=load("assemblyai/error", error=reason))
    return advanced(transcript)


def deliver(kind="webhook"):
    return delivery.deliver(kind)


def the_one():
    return Notification.objects.get()


def time_comes():
    Notification.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def seconds_until_next_attempt():
    return (the_one().next_attempt_at - timezone.now()).total_seconds()


def what_came(vendors):
    """Verify all requests to URL with standardwebhooks, and return their bodies."""
    came = [call.request for call in vendors.calls if call.request.url == URL]
    return [Webhook(SECRET).verify(each.body, dict(each.headers)) for each in came]


# What is sent


def test_finished_transcript_sends_a_webhook_signed_as_specified(vendors, completed):
    vendors.post(URL, status=204)

    deliver()

    (message,) = what_came(vendors)
    site = "https://djtranscribe.example.com"
    call = completed.recording.call
    assert message == {
        "type": "transcript.completed",
        "timestamp": completed.finished_at.isoformat(),
        "data": {
            "transcript": str(completed.uuid),
            "call": str(call.uuid),
            "status": "completed",
            "nobody_spoke": False,
            "confidence": completed.confidence,
            "language": completed.language,
            "audio_seconds": completed.audio_seconds,
            "error": "",
            "transcript_url": f"{site}/admin/transcription/transcript/"
            f"{completed.pk}/change/",
            "call_url": f"{site}/calls/{call.uuid}/",
        },
    }
    request = vendors.calls[-1].request
    # AssemblyAI sends 7. The receiver always gets a number with a decimal point.
    assert b'"audio_seconds": 7.0,' in request.body
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["webhook-id"] == str(the_one().uuid)


def test_error_is_sent_without_file_names_or_audio_urls(vendors, failed):
    vendors.post(URL)

    deliver()

    (message,) = what_came(vendors)
    assert message["type"] == "transcript.failed"
    assert message["data"]["status"] == "error"
    assert message["data"]["error"] == "AssemblyAI: Decode error, no audio in … of …"


def test_notification_contains_no_transcript_text(vendors, completed):
    vendors.post(URL)

    deliver()

    sent = str(what_came(vendors)) + str(Notification.objects.values())
    assert completed.text == TEXT
    assert not any(word in sent for word in ("cardiology", "ward", NUMBER[1:]))


def test_recording_without_a_call_sends_a_notification(vendors):
    vendors.get(JOB, json=load("assemblyai/completed"))
    advanced(a_transcript("queued"))
    vendors.post(URL)

    deliver()

    (message,) = what_came(vendors)
    assert message["data"]["call"] is message["data"]["call_url"] is None


def test_the_error_of_an_earlier_attempt_is_not_told(vendors, transcript):
    vendors.get(JOB, status=503)
    advanced(transcript)
    error_then = transcript.error
    make_due(transcript)
    vendors.replace("GET", JOB, json=load("assemblyai/completed"))

    advanced(transcript)

    assert error_then
    assert the_one().event == "transcript.completed"
    assert the_one().facts["error"] == ""


def test_nan_confidence_is_sent_as_null(vendors, transcript):
    vendors.post(URL)
    claimed = Transcript.objects.claim(transcript.pk)

    claimed.finish(Transcript.Status.COMPLETED, text="Hi", confidence=float("nan"))
    deliver()

    (message,) = what_came(vendors)
    assert message["data"]["confidence"] is None


def test_old_and_new_secret_both_verify_during_rotation(vendors, completed, settings):
    settings.NOTIFY_SECRETS = [OTHER, SECRET]
    vendors.post(URL)

    deliver()

    request = vendors.calls[-1].request
    for known in (SECRET, OTHER):
        Webhook(known).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 40).verify(request.body, dict(request.headers))


def test_signature_matches_the_example_of_the_specification():
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'

    signature = outgoing_webhook.signature(outgoing_webhook.key_of(SECRET), signed)

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# Each completion or failure is reported once


def ways_to_end():
    def by_outcome(vendors):
        vendors.get(JOB, json=load("assemblyai/completed"))

    def by_silence(vendors):
        reason = "language_detection cannot be performed on files with no spoken audio."
        vendors.get(JOB, json=load("assemblyai/error", error=reason))

    def by_error(vendors):
        vendors.get(JOB, json=load("assemblyai/error", error="Not audio."))

    def by_deletion(vendors):
        url = "http://deleted_by_user"
        vendors.get(JOB, json=load("assemblyai/completed", audio_url=url))

    def by_refusal(vendors):
        vendors.get(JOB, json={"error": "no"}, status=400)

    def by_giving_up(vendors):
        Transcript.objects.update(attempts=99)
        vendors.get(JOB, status=500)

    return [by_outcome, by_silence, by_error, by_deletion, by_refusal, by_giving_up]


@pytest.mark.parametrize("way", ways_to_end())
def test_every_final_status_creates_a_notification(vendors, transcript, way):
    way(vendors)

    advanced(transcript)

    assert transcript.is_finished
    assert the_one().finished_at == transcript.finished_at
    assert the_one().event == Notification.event_of(transcript)


def test_unfinished_transcript_creates_no_notification(vendors, transcript):
    vendors.get(JOB, json=load("assemblyai/queued"))

    advanced(transcript)

    assert not Notification.objects.exists()


def test_silence_is_notified_as_completed(vendors, transcript):
    ways_to_end()[1](vendors)
    advanced(transcript)
    vendors.post(URL)

    deliver()

    (message,) = what_came(vendors)
    assert message["type"] == "transcript.completed"
    assert message["data"]["nobody_spoke"] is True


def test_repeated_queue_messages_create_no_second_notification(completed):
    for _ in range(3):
        advance.call(completed.pk)

    assert Notification.objects.count() == 1


def test_failure_and_later_success_are_both_notified(vendors, failed):
    vendors.post(URL)
    failed.retry()
    Transcript.objects.update(status="queued", assemblyai_id="aa")
    vendors.get(JOB.rpartition("/")[0] + "/aa", json=load("assemblyai/completed"))

    advanced(failed)
    deliver()

    types = [message["type"] for message in what_came(vendors)]
    assert types == ["transcript.failed", "transcript.completed"]
    assert what_came(vendors)[0]["data"]["status"] == "error"


def test_transcript_finished_before_enabling_is_not_notified(
    vendors, transcript, settings
):
    settings.NOTIFY_URL = ""
    vendors.get(JOB, json=load("assemblyai/completed"))
    advanced(transcript)

    settings.NOTIFY_URL = URL

    assert not Notification.objects.exists()
    assert deliver() == 0


def test_final_status_and_notification_are_stored_in_one_transaction(
    transcript, monkeypatch
):
    claimed = Transcript.objects.claim(transcript.pk)

    def away(*args, **kwargs):
        raise OperationalError("the database is away")

    monkeypatch.setattr("django.db.models.query.QuerySet.bulk_create", away)
    with pytest.raises(OperationalError):
        claimed.fail("No.")

    transcript.refresh_from_db()
    assert not transcript.is_finished


def test_worker_without_its_lease_creates_no_notification(transcript):
    claimed = Transcript.objects.claim(transcript.pk)
    Transcript.objects.update(lease=uuid4())

    with pytest.raises(LeaseLost):
        claimed.fail("No.")

    assert not Notification.objects.exists()


def test_disabled_notifications_add_no_query_to_the_last_step(transcript, settings):
    settings.NOTIFY_URL = ""
    claimed = Transcript.objects.claim(transcript.pk)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        claimed.finish(Transcript.Status.COMPLETED, text="Hi")

    assert len(queries) == 1


def test_notification_adds_three_queries_to_the_last_step(
    transcript,
):
    claimed = Transcript.objects.claim(transcript.pk)

    with CaptureQueriesContext(connection) as queries:
        claimed.finish(Transcript.Status.COMPLETED, text="Hi")

    words = [query["sql"].split()[0] for query in queries]
    assert [word for word in words if word in ("SELECT", "INSERT", "UPDATE")] == [
        "UPDATE",
        "SELECT",
        "SELECT",
        "INSERT",
    ]


def test_deleted_transcript_is_not_notified_but_its_row_is_kept(vendors, completed):
    completed.recording.call.delete()

    deliver()

    row = the_one()
    assert row.transcript is None
    assert (row.state, row.about) == ("given-up", completed.uuid)
    assert "deleted" in row.answer


# Retries


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_every_2xx_is_taken_for_received(vendors, completed, status):
    vendors.post(URL, status=status, body="Thank you, here is a secret.")

    deliver()
    deliver()

    row = the_one()
    assert (row.state, row.answer) == ("sent", f"HTTP status {status}")
    assert row.sent_at
    assert row.next_attempt_at is row.lease is row.leased_until is None
    assert len(what_came(vendors)) == 1


@pytest.mark.parametrize("status", [300, 302, 308, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_retried(vendors, completed, status):
    vendors.post(URL, status=status, headers={"Location": "https://evil.example/"})

    deliver()

    row = the_one()
    assert row.state == "pending"
    assert row.answer.startswith(f"HTTP status {status}")
    assert 3 < seconds_until_next_attempt() < 7
    assert len(vendors.calls) == 2  # one GET of the job, one POST, and no redirect


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.ConnectTimeout(f"{URL} timed out"), "could not be reached"),
        (requests.ReadTimeout(f"{URL} timed out"), "did not answer"),
        (requests.ConnectionError(f"{URL} hung up"), "did not answer"),
        (requests.exceptions.SSLError(f"{URL} lies"), "certificate"),
        (requests.exceptions.InvalidURL(URL), "NOTIFY_URL"),
    ],
)
def test_a_receiver_that_is_away_is_tried_again(
    vendors, completed, caplog, error, said
):
    vendors.post(URL, body=error)

    deliver()

    assert the_one().state == "pending"
    assert said in the_one().answer
    assert "secret-path" not in the_one().answer + caplog.text


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"500 Oh"])
def test_endless_response_body_is_not_read(completed, settings, status):
    port = free_port()
    settings.NOTIFY_URL = f"http://127.0.0.1:{port}/"
    head = b"HTTP/1.1 " + status + b"\r\nLocation: http://[\r\n\r\n"

    with babbler(port, head, b"x" * 65536, pause=0):
        began = time.monotonic()
        deliver()

    assert time.monotonic() - began < 5
    assert the_one().answer.startswith(f"HTTP status {status[:3].decode()}")


def test_retry_keeps_the_webhook_id_and_body(vendors, completed):
    vendors.post(URL, status=500)
    vendors.post(URL)

    deliver()
    time_comes()
    deliver()

    first, second = (c.request for c in vendors.calls if c.request.url == URL)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert the_one().state == "sent"


def test_it_is_given_up_after_about_a_day(vendors, completed):
    vendors.post(URL, status=500)
    waits = []

    while the_one().state == "pending":
        time_comes()
        deliver()
        if the_one().state == "pending":
            waits.append(seconds_until_next_attempt())

    row = the_one()
    assert (row.state, row.attempts) == ("given-up", MAX_ATTEMPTS)
    assert row.answer == f"Given up after {MAX_ATTEMPTS} attempts. HTTP status 500"
    assert row.next_attempt_at is None
    assert len(waits) == len(WAITS_SECONDS)
    for wait, seconds in zip(waits, WAITS_SECONDS, strict=True):
        # A wait is up to a quarter shorter or longer. The test may take two seconds.
        assert 0.75 * seconds - 2 < wait <= 1.25 * seconds
    assert 23 * 3600 < sum(WAITS_SECONDS) < 25 * 3600
    assert deliver() == 0


def test_retry_delays_are_random(vendors, completed):
    vendors.post(URL, status=500)
    waits = set()

    for _ in range(8):
        Notification.objects.update(attempts=3, next_attempt_at=timezone.now())
        deliver()
        waits.add(round(seconds_until_next_attempt()))

    assert len(waits) > 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_header_is_respected(vendors, completed, status):
    vendors.post(URL, status=status, headers={"Retry-After": "600"})

    deliver()

    assert 590 < seconds_until_next_attempt() <= 600


def test_retry_after_header_may_be_a_date(vendors, completed):
    at = datetime.now(tz.utc) + timedelta(seconds=600)
    header = {"Retry-After": format_datetime(at, usegmt=True)}
    vendors.post(URL, status=503, headers=header)

    deliver()

    assert 590 < seconds_until_next_attempt() <= 600


@pytest.mark.parametrize(
    "value",
    ["", "soon", "-5", "0", "Mon, 99 Nov 2026", "Mon, 01 Jan 0001 00:00:00 GMT"],
)
def test_invalid_retry_after_header_is_ignored(vendors, completed, value):
    vendors.post(URL, status=503, headers={"Retry-After": value})

    deliver()

    assert 3 < seconds_until_next_attempt() < 7


@pytest.mark.parametrize("value", ["9" * 12, "9" * 400])
def test_retry_after_is_limited_to_one_day(vendors, completed, value):
    vendors.post(URL, status=503, headers={"Retry-After": value})

    deliver()

    assert 0.9 * 86_400 < seconds_until_next_attempt() <= 86_400


def test_status_410_ends_the_delivery(vendors, completed):
    vendors.post(URL, status=410)

    deliver()
    time_comes()
    deliver()

    row = the_one()
    assert (row.state, row.attempts) == ("given-up", 1)
    assert "410" in row.answer


def test_internal_error_is_shown_logged_and_retried(
    vendors, completed, monkeypatch, caplog
):
    def broken(notification, transcript):
        raise KeyError("ours")

    monkeypatch.setitem(delivery.SENDERS, "webhook", broken)
    assert deliver() == 1

    assert the_one().state == "pending"
    assert "An error in djtranscribe itself" in the_one().answer
    assert "KeyError" in caplog.text


def test_invalid_secret_is_not_quoted_in_the_error_or_log(
    vendors, completed, settings, caplog
):
    settings.NOTIFY_SECRETS = ["whsec_s3cr3t"]

    deliver()

    assert the_one().state == "pending"
    assert "s3cr3t" not in the_one().answer + caplog.text


def test_the_log_names_no_address_and_no_secret(vendors, completed, caplog):
    caplog.set_level(logging.DEBUG)
    vendors.post(URL, status=500)
    vendors.post(URL)

    deliver()
    time_comes()
    deliver()

    assert str(the_one().uuid) in caplog.text
    assert "receiver.example.com" not in caplog.text
    assert "whsec" not in caplog.text


def test_pending_notifications_wait_while_webhooks_are_disabled(
    vendors, completed, settings
):
    settings.NOTIFY_URL = ""
    off = deliver()
    settings.NOTIFY_URL = URL
    vendors.post(URL)

    assert off == 0
    assert deliver() == 1


# Several workers, and killed workers


def test_only_one_of_two_workers_claims_the_row(completed):
    first = Notification.objects.claim("webhook")
    second = Notification.objects.claim("webhook")

    assert first.pk == the_one().pk
    assert second is None


@pytest.mark.django_db(transaction=True)
@needs_connections
def test_concurrent_workers_claim_different_rows():
    pks = [a_notification().pk for _ in range(6)]

    got = at_once(lambda: Notification.objects.claim("webhook"))

    claimed = [row.pk for row in got if row]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= set(pks)


def test_notification_of_a_killed_worker_is_sent_after_its_lease_ends(
    vendors, completed
):
    vendors.post(URL)
    killed = Notification.objects.claim("webhook")

    at_once = deliver()
    Notification.objects.update(leased_until=timezone.now())
    later = deliver()

    assert (at_once, later) == (0, 1)
    assert (the_one().state, the_one().attempts) == ("sent", 2)
    assert killed.attempts == 1


def test_notification_that_kills_every_worker_is_given_up(vendors, completed):
    vendors.post(URL)
    for _ in range(MAX_ATTEMPTS):
        Notification.objects.claim("webhook")
        Notification.objects.update(leased_until=timezone.now())

    deliver()

    assert the_one().state == "given-up"
    assert "killed" in the_one().answer
    assert len(vendors.calls) == 1  # one to AssemblyAI, none to the receiver


def test_late_failure_of_a_slow_worker_does_not_undo_delivery(vendors, completed):
    slow = Notification.objects.claim("webhook")
    Notification.objects.update(leased_until=timezone.now())
    vendors.post(URL)
    deliver()

    assert not slow.retry_later(outgoing_webhook.WebhookError("Too late."))
    assert not slow.give_up("Too late.")
    assert the_one().state == "sent"


def test_late_success_of_a_slow_worker_prevents_another_attempt(
    completed,
):
    slow = Notification.objects.claim("webhook")
    Notification.objects.update(leased_until=timezone.now())
    other = Notification.objects.claim("webhook")

    slow.mark_sent("HTTP status 204")

    assert not other.retry_later(outgoing_webhook.WebhookError("Away."))
    assert the_one().state == "sent"
    assert deliver() == 0


@pytest.mark.parametrize("by", [timedelta(hours=30), timedelta(days=400)])
def test_clock_set_back_delays_no_notification(vendors, completed, by):
    future = timezone.now() + by
    Notification.objects.update(
        next_attempt_at=future, lease=uuid4(), leased_until=future + LEASE
    )
    vendors.post(URL)

    assert deliver() == 1


def test_the_one_that_has_waited_longest_is_sent_first(vendors):
    rows = [
        a_notification(next_attempt_at=timezone.now() - timedelta(minutes=minutes))
        for minutes in (1, 3, 2)
    ]

    order = [Notification.objects.claim("webhook").pk for _ in rows]

    assert order == [rows[1].pk, rows[2].pk, rows[0].pk]


def test_stopping_worker_starts_no_delivery(completed):
    assert delivery.deliver("webhook", stopping=lambda: True) == 0


def test_old_finished_notifications_are_pruned_and_pending_ones_are_kept():
    for state in ("pending", "sent", "given-up"):
        a_notification(state=state)
    Notification.objects.update(created_at=timezone.now() - timedelta(days=31))
    fresh = a_notification(state="sent")

    forgotten = Notification.objects.prune(timedelta(days=30))

    assert forgotten == 2
    left = set(Notification.objects.values_list("state", "pk"))
    assert ("sent", fresh.pk) in left
    assert len(left) == 2


def test_long_error_without_spaces_is_shortened_quickly():
    began = time.monotonic()

    told = redact_error("a" * 100_000 + "https://media.example/RE1.wav")

    assert len(told) == 500
    assert time.monotonic() - began < 5
