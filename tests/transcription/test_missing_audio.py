"""A recording without audio at Twilio: it is not ready yet, or it is gone for good."""

from random import Random

import pytest

from tests.caller.rows import MEDIA, RECORDING, refusal
from tests.data import load, wav
from tests.transcription.rows import (
    JOB,
    a_transcript,
    advanced,
    answers_well,
    make_due,
)

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

KEY = {
    "encryption_public_key_sid": "CR" + "0" * 32,
    "encryption_iv": "8I2hhNIYNTrwxfHk",
}


@pytest.fixture
def pending(vendors):
    vendors.get(MEDIA, **refusal(20404, 404))
    return a_transcript("pending")


def tried(transcript, times):
    for _ in range(times):
        make_due(transcript)
        advanced(transcript)
    return transcript


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ({"json": load("twilio/recording", status="deleted")}, "deleted", "deleted at"),
        (refusal(20404, 404), "deleted", "does not know this recording"),
        ({"json": load("twilio/recording", status="failed")}, "failed", "could not"),
        ({"json": load("twilio/recording", status="absent")}, "absent", "no audio"),
        (
            {"json": load("twilio/recording", status="absent", error_code=16101)},
            "absent",
            "too short",
        ),
        (
            {"json": load("twilio/recording", status="absent", error_code=16102)},
            "absent",
            "deletes silent",
        ),
    ],
)
def test_the_third_404_asks_twilio_what_happened(
    vendors, pending, answer, status, reason
):
    asked = vendors.get(RECORDING, **answer)

    tried(pending, 2)
    before = asked.call_count, pending.error_class
    tried(pending, 1)

    pending.recording.refresh_from_db()
    assert before == (0, "temporary")
    assert asked.call_count == 1
    assert (pending.status, pending.error_class) == ("error", "permanent")
    assert reason in pending.error
    assert (pending.recording.status, pending.recording.error) == (
        status,
        pending.error,
    )


@pytest.mark.parametrize(
    "status", ["processing", "in-progress", "paused", "stopped", "completed", "new"]
)
def test_unfinished_twilio_recording_is_waited_for(vendors, pending, status):
    vendors.get(RECORDING, json=load("twilio/recording", status=status))

    tried(pending, 5)
    waited = pending.status, pending.error_class, pending.attempts
    vendors.replace("GET", MEDIA, body=wav())
    answers_well(vendors)
    tried(pending, 1)

    pending.recording.refresh_from_db()
    assert waited == ("pending", "temporary", 5)
    assert pending.status == "queued"
    assert pending.recording.status == "completed"


@pytest.mark.parametrize("status_code", [500, 503, 429])
def test_failed_status_request_is_retried(vendors, pending, status_code):
    vendors.get(RECORDING, status=status_code)

    tried(pending, 4)
    waited = pending.status, pending.error_class
    vendors.replace("GET", RECORDING, json=load("twilio/recording", status="deleted"))
    tried(pending, 1)

    assert waited == ("pending", "temporary")
    assert "deleted at Twilio" in pending.error


def test_refused_credentials_in_the_status_request_fail_no_row(vendors, pending):
    vendors.get(RECORDING, status=401)

    tried(pending, 3)

    assert (pending.status, pending.error_class) == ("pending", "account")


@pytest.mark.parametrize(
    ("answer", "status", "uploads"),
    [
        ({"json": {**load("twilio/recording"), "encryption_details": KEY}}, "error", 0),
        ({"json": load("twilio/recording")}, "queued", 1),
        (refusal(20404, 404), "queued", 1),
        ({"status": 500}, "pending", 0),
    ],
)
def test_audio_of_unknown_format_is_not_submitted_if_twilio_has_encrypted_it(
    vendors, answer, status, uploads
):
    vendors.get(MEDIA, body=Random(0).randbytes(1000))
    asked = vendors.get(RECORDING, **answer)
    answers = answers_well(vendors)

    transcript = advanced(a_transcript("pending"))

    assert (transcript.status, answers["upload"].call_count) == (status, uploads)
    assert ("Voice Recording Encryption" in transcript.error) == (status == "error")
    assert asked.call_count == 1


def test_retry_requests_the_audio_again(vendors, pending):
    vendors.get(RECORDING, json=load("twilio/recording", status="deleted"))
    tried(pending, 3)

    assert pending.retry()
    vendors.replace("GET", MEDIA, body=wav())
    answers_well(vendors)
    tried(pending, 1)

    assert pending.status == "queued"


@pytest.mark.parametrize(
    "answer",
    [
        {"json": load("assemblyai/deleted")},
        {
            "status": 400,
            "json": {"error": "Transcript lookup error, transcript id not found"},
        },
    ],
)
def test_retry_restarts_a_job_that_was_deleted_at_assemblyai(vendors, answer):
    transcript = a_transcript("queued")
    vendors.get(JOB, **answer)

    advanced(transcript)
    assert (transcript.status, transcript.error_class) == ("error", "permanent")
    assert transcript.error

    transcript.retry()
    transcript.refresh_from_db()
    assert (transcript.status, transcript.assemblyai_id) == ("fetched", None)
