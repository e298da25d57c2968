"""Errors on our own side are shown on the row and never stop a worker."""

import pytest

from caller.models import Recording
from tests.transcription.rows import JOB_ID, TRANSCRIPT, UPLOAD, a_transcript, advanced
from transcription.models import Transcript

pytestmark = pytest.mark.django_db


def test_unexpected_response_is_reported_on_the_row_and_retried(vendors):
    transcript = a_transcript("lost")
    vendors.get(TRANSCRIPT, json={"transcripts": [{"audio_url": transcript.audio_url}]})

    advanced(transcript)

    assert transcript.status == "lost"
    assert "error in djtranscribe itself" in transcript.error
    assert transcript.lease is None
    assert transcript.next_attempt_at


def test_missing_audio_without_a_copy_at_twilio_fails_with_the_reason(vendors):
    recording = Recording.objects.create(source="file", status="completed")
    transcript = a_transcript("pending", recording=recording)

    advanced(transcript)

    assert transcript.status == "error"
    assert "Twilio has no copy" in transcript.error
    assert len(vendors.calls) == 0


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({}, "pending"),
        ({"assemblyai_id": JOB_ID, "response": {"id": JOB_ID}}, "fetched"),
        ({"audio_url": UPLOAD, "uploaded_at": None}, "uploaded"),
    ],
)
def test_a_retry_goes_on_from_the_stage_that_failed(columns, status):
    recording = Recording.objects.create(source="file", status="completed")
    transcript = Transcript.objects.create(
        recording=recording, status="error", error="It failed.", **columns
    )

    assert transcript.retry()

    transcript.refresh_from_db()
    assert (transcript.status, transcript.error) == (status, "")
    assert transcript.next_attempt_at
    assert not transcript.retry()
