"""The metrics that Prometheus reads."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from djtranscribe.models import VendorPause
from tests.caller.rows import NUMBER, a_call, a_recording, deliveries
from tests.transcription.rows import a_transcript
from transcription.models import Transcript
from transcription.tasks import advance

pytestmark = pytest.mark.django_db

TOKEN = "a-long-token-of-a-monitor"


@pytest.fixture
def scrape(client, settings):
    settings.METRICS_TOKEN = TOKEN

    def scrape() -> dict:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        return {
            (sample.name.removeprefix("djtranscribe_"), *sample.labels.values()): (
                sample.value
            )
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return scrape


def test_an_empty_site_has_numbers(scrape):
    numbers = scrape()

    assert numbers[("queue_messages",)] == 0
    assert numbers[("overdue_seconds",)] == 0
    assert numbers[("spend_last_day", "twilio")] == 0
    assert numbers[("spend_last_day", "assemblyai")] == 0


def test_calls_webhooks_and_transcripts_are_counted_by_state(scrape, signed_post):
    call = a_call()
    for delivery in deliveries(call):
        signed_post(*delivery)
    signed_post(f"/webhooks/twilio/call/?call={call.pk}", {"CallSid": "CA"})
    long_ago = timezone.now() - timedelta(hours=2)
    a_call(other_number="+14155551235", status="busy", created_at=long_ago)
    a_call(status="refused")
    a_call(status="refused", refused_attempts=500)

    numbers = scrape()

    calls = {key: value for key, value in numbers.items() if "calls" in key[0]}
    assert calls == {
        ("calls_last_hour", "outbound", "completed"): 1,
        ("calls_last_hour", "outbound", "refused"): 501,
    }
    assert numbers[("webhooks_last_hour", "twilio-call", "accepted")] == 4
    assert numbers[("webhooks_last_hour", "twilio-call", "refused")] == 1
    assert numbers[("transcripts_last_hour", "", "pending")] == 1
    # The price is not known yet, so this is an estimate.
    assert numbers[("spend_last_day", "twilio")] == pytest.approx(0.10)


def test_metrics_report_durations_and_waiting_work(scrape):
    now = timezone.now()
    done = a_transcript(
        "completed", submitted_at=now - timedelta(seconds=6), finished_at=now
    )
    type(done).objects.update(created_at=now - timedelta(seconds=10))
    type(done.recording).objects.update(transcription_cost=Decimal("0.0042"))
    late = now - timedelta(seconds=90)
    advance.enqueue(
        a_transcript(
            "uploaded",
            recording=done.recording,
            error_class="account",
            next_attempt_at=late,
        ).pk
    )
    VendorPause.objects.create(vendor="assemblyai", reason="Balance", probe_at=now)

    numbers = scrape()

    assert numbers[("transcript_seconds_median_last_hour",)] == pytest.approx(10)
    assert numbers[("assemblyai_seconds_median_last_hour",)] == pytest.approx(6)
    assert numbers[("transcripts_last_hour", "account", "uploaded")] == 1
    assert numbers[("spend_last_day", "assemblyai")] == pytest.approx(0.0042)
    assert numbers[("transcripts_waiting", "account")] == 1
    assert numbers[("vendor_paused", "assemblyai")] == 1
    assert numbers[("queue_messages",)] == 1
    assert 90 <= numbers[("overdue_seconds",)] < 100


def test_medians_are_of_current_work_that_was_finished_in_the_last_hour(scrape):
    now, recording = timezone.now(), a_recording()
    for minutes, finished_minutes_ago, priority in [
        (45, 59, 0),
        (90, 1, 0),
        (120, 0, 0),
        (1, 61, 0),
        *[(1, 1, -50)] * 3,
    ]:
        finished_at = now - timedelta(minutes=finished_minutes_ago)
        row = Transcript.objects.create(
            recording=recording,
            status="completed",
            finished_at=finished_at,
            priority=priority,
        )
        begin = finished_at - timedelta(minutes=minutes)
        Transcript.objects.filter(pk=row.pk).update(created_at=begin)

    numbers = scrape()

    assert numbers[("transcript_seconds_median_last_hour",)] == 90 * 60


@pytest.mark.parametrize(
    ("set_to", "given", "status"),
    [
        ("", "", 404),
        ("", "Bearer ", 404),
        (TOKEN, "", 401),
        (TOKEN, "Bearer another", 401),
        (TOKEN, f"Basic {TOKEN}", 401),
        (TOKEN, f"Bearer {TOKEN}\u00e9", 401),
    ],
)
def test_metrics_need_the_right_token(browser, settings, set_to, given, status):
    settings.METRICS_TOKEN = set_to

    answer = browser.get("/metrics", headers={"Authorization": given})

    assert answer.status_code == status
    assert "djtranscribe_" not in answer.text


def test_no_number_is_about_a_person(client, settings, scrape):
    call = a_call(status="completed")
    a_transcript("completed", text="Secret words", recording=a_recording(call=call))
    scrape()

    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert "Secret" not in answer.text
    assert NUMBER not in answer.text


def test_the_number_of_queries_does_not_grow(scrape, django_assert_num_queries):
    a_call()

    with django_assert_num_queries(11):
        scrape()
