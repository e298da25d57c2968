"""Each step of a transcript, and each failure that a vendor can cause."""

import json
import re

import pytest
import requests
from django.db import DataError
from django.utils import timezone

from caller.models import Recording
from tests.caller.rows import API, MEDIA, RECORDING_SID, a_recording, refusal
from tests.data import load, wav
from tests.transcription.rows import (
    JOB,
    JOB_ID,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    a_transcript,
    advanced,
    answers_well,
    make_due,
    nudge,
    seconds_until_next_attempt,
)
from transcription import tasks
from transcription.models import MAX_ATTEMPTS, MAX_JOBS

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

# {status of a row: the request of its next step}.
STEPS = {
    "pending": ("GET", MEDIA),
    "fetched": ("POST", UPLOAD),
    "uploaded": ("POST", TRANSCRIPT),
    "lost": ("GET", TRANSCRIPT),
    "queued": ("GET", JOB),
    "processing": ("GET", JOB),
}
OF_ASSEMBLYAI = [status for status in STEPS if status != "pending"]

HEALS = {
    "500": {"json": {"error": "Server error"}, "status": 500},
    "503 without JSON": {"body": "<h1>Unavailable</h1>", "status": 503},
    "504": {"body": "", "status": 504},
    "a redirect": {"body": "", "status": 302},
    "429": {"json": {"error": "Too Many Requests"}, "status": 429},
    "read timeout": {"body": requests.ReadTimeout("slow")},
    "connect timeout": {"body": requests.ConnectTimeout("slow")},
    "reset": {"body": requests.ConnectionError("reset by peer")},
    "cut off": {"body": requests.exceptions.ChunkedEncodingError("cut off")},
}
NOT_JSON = {
    "HTML": {"body": "<html>hotel login</html>"},
    "half a JSON": {"body": '{"id": "'},
    "a list": {"json": []},
    "a string": {"json": "fine"},
    "null": {"json": None},
}
ACCOUNT = {
    "401": {"json": {"error": "Authentication error"}, "status": 401},
    "negative balance": {
        "json": {"error": "Your current account balance is negative. Please top up"},
        "status": 400,
    },
}


def ways(table):
    return [pytest.param(answer, id=name) for name, answer in table.items()]


def gets_to_the_text(transcript, vendors):
    """Let all requests succeed. Return whether the transcript then gets its text."""
    vendors.get(MEDIA, body=wav())
    answers_well(vendors)
    for _ in range(4):
        make_due(transcript)
        advanced(transcript)
    return (transcript.status, transcript.text) == ("completed", TEXT)


@pytest.mark.parametrize("status", STEPS)
@pytest.mark.parametrize("answer", ways(HEALS))
def test_temporary_failure_is_retried_until_the_text_arrives(vendors, status, answer):
    transcript = a_transcript(status)
    vendors.add(*STEPS[status], **answer)

    advanced(transcript)

    assert transcript.error_class == "temporary"
    assert transcript.error
    assert transcript.attempts == 1
    assert transcript.lease is None
    may_still_start = (status, transcript.status) == ("uploaded", "lost")
    least, most = (33, 34) if may_still_start else (3, 6.5)
    assert least < seconds_until_next_attempt(transcript) < most
    assert gets_to_the_text(transcript, vendors)
    assert (transcript.error, transcript.error_class) == ("", "")


@pytest.mark.parametrize("status", OF_ASSEMBLYAI)
@pytest.mark.parametrize("answer", ways(NOT_JSON))
def test_an_answer_that_is_no_json_object_is_tried_again(vendors, status, answer):
    transcript = a_transcript(status)
    vendors.add(*STEPS[status], **answer)

    advanced(transcript)

    assert transcript.error_class == "temporary"
    assert "could not be understood" in transcript.error
    assert gets_to_the_text(transcript, vendors)


@pytest.mark.parametrize("status", OF_ASSEMBLYAI)
@pytest.mark.parametrize("answer", ways(ACCOUNT))
def test_account_error_never_fails_a_row(vendors, status, answer):
    transcript = a_transcript(status, attempts=MAX_ATTEMPTS + 5)
    vendors.add(*STEPS[status], **answer)

    advanced(transcript)

    assert transcript.status == status
    assert transcript.error_class == "account"
    assert "ASSEMBLYAI_KEY" in transcript.error or "balance" in transcript.error
    assert gets_to_the_text(transcript, vendors)


def test_twilios_refusal_of_our_credentials_fails_no_row(vendors):
    transcript = a_transcript("pending")
    vendors.get(MEDIA, status=401)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("pending", "account")
    assert "TWILIO_AUTH_TOKEN" in transcript.error


@pytest.mark.parametrize("status", ["fetched", "queued"])
def test_no_request_is_sent_without_an_assemblyai_key(settings, status):
    settings.ASSEMBLYAI_KEY = ""
    transcript = a_transcript(status)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == (status, "account")


@pytest.mark.parametrize("status", OF_ASSEMBLYAI)
def test_a_refusal_ends_the_row_with_the_reason_that_was_given(vendors, status):
    transcript = a_transcript(status)
    reason = "Transcript creation error, audio_url should start with http"
    vendors.add(*STEPS[status], json={"error": reason}, status=400)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("error", "permanent")
    assert "audio_url" in transcript.error
    assert transcript.finished_at is not None
    assert transcript.next_attempt_at is None


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {}},
        {"json": []},
        {"json": {"error": None}},
        {"body": "no"},
        {"body": ""},
    ],
)
def test_a_refusal_without_a_reason_is_still_a_refusal(vendors, answer):
    transcript = a_transcript("queued")
    vendors.get(JOB, status=404, **answer)

    advanced(transcript)

    assert transcript.status == "error"
    assert "404" in transcript.error


def test_a_refusal_by_twilio_ends_the_row(vendors):
    transcript = a_transcript("pending")
    vendors.get(MEDIA, status=403)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("error", "permanent")
    assert "Twilio refused" in transcript.error


@pytest.mark.parametrize("attempts", [1, 2, 5, 8, 40, 98])
def test_the_wait_doubles_with_jitter_up_to_a_quarter_of_an_hour(vendors, attempts):
    transcript = a_transcript("queued", attempts=attempts)
    vendors.get(JOB, status=503)

    advanced(transcript)

    expected = min(900, 5 * 2**attempts)
    assert 0.74 * expected <= seconds_until_next_attempt(transcript) <= 1.25 * expected
    assert transcript.attempts == attempts + 1


def test_rows_that_failed_at_the_same_moment_are_due_at_different_ones(
    vendors, monkeypatch
):
    vendors.get(re.compile(f"{API}/Recordings/RE[0-9]+[.]wav"), status=503)
    rows = [
        a_transcript(recording=a_recording(sid=f"RE{number:032}"))
        for number in range(60)
    ]
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)

    waits = [seconds_until_next_attempt(advanced(row)) for row in rows]

    assert min(waits) >= 3.75
    assert max(waits) <= 6.25
    # The chance that all 60 random waits are within half of the range is 1 in 10 ** 16.
    assert max(waits) - min(waits) > 1.25
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 118, 121),
        ("1", 3, 6.5),
        ("86400", 1190, 1201),
        ("9" * 30, 1190, 1201),
        ("0", 3, 6.5),
        ("", 3, 6.5),
        ("soon", 3, 6.5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 3, 6.5),
        ("-5", 3, 6.5),
        ("1e9", 3, 6.5),
    ],
)
@pytest.mark.parametrize("status", ["pending", "queued"])
def test_retry_after_is_obeyed_up_to_twenty_minutes(
    vendors, status, header, least, most
):
    transcript = a_transcript(status)
    vendors.add(*STEPS[status], status=429, headers={"Retry-After": header})

    advanced(transcript)

    assert least < seconds_until_next_attempt(transcript) < most


def test_after_a_day_of_attempts_the_row_is_an_error_with_its_reason(vendors):
    transcript = a_transcript("queued", attempts=MAX_ATTEMPTS - 1)
    vendors.get(JOB, status=503)

    advanced(transcript)

    assert transcript.status == "error"
    assert transcript.error.startswith(f"Given up after {MAX_ATTEMPTS} attempts.")
    assert "503" in transcript.error


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (302, "an unexpected response"),
        (204, "an unexpected"),
        (503, "an internal error"),
    ],
)
def test_only_a_5xx_is_called_an_internal_error(vendors, status, said):
    transcript = a_transcript("queued")
    vendors.get(JOB, status=status)

    advanced(transcript)

    assert said in transcript.error
    assert str(status) in transcript.error


def test_row_waiting_for_its_retry_is_not_processed(vendors):
    transcript = a_transcript("queued")
    vendors.get(JOB, status=503)
    advanced(transcript)

    advanced(transcript)

    assert len(vendors.calls) == 1


@pytest.mark.parametrize("status", ["completed", "error"])
def test_a_finished_row_is_never_touched_again(status):
    transcript = a_transcript(status, text="Ours.")
    make_due(transcript)

    advanced(transcript)

    assert (transcript.status, transcript.text) == (status, "Ours.")


# How a job ends


@pytest.mark.parametrize(
    "reason",
    [
        "File does not appear to contain audio. File type is text/html",
        "Audio duration is too short.",
        "Transcoding failed. File does not appear to contain audio.",
        "Something quite new",
        None,
    ],
)
def test_a_job_that_cannot_succeed_ends_the_row(vendors, reason):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/error", error=reason))

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("error", "permanent")
    assert (reason or "no reason") in transcript.error


@pytest.mark.parametrize(
    "reason",
    [
        "Server error, developers have been alerted.",
        "Download error, unable to download https://api.twilio.com/",
        "Download error, unable to access file at https://cdn.assemblyai.com/",
        "Cannot access uploaded file",
    ],
)
def test_a_job_that_failed_by_accident_is_started_again_with_a_new_upload(
    vendors, reason
):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/error", error=reason))

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("fetched", "temporary")
    assert transcript.assemblyai_id is None
    assert gets_to_the_text(transcript, vendors)
    assert transcript.jobs == 2


def test_a_job_that_fails_by_accident_again_and_again_ends_the_row(vendors):
    transcript = a_transcript("queued", jobs=MAX_JOBS)
    vendors.get(JOB, json=load("assemblyai/error"))

    advanced(transcript)

    assert transcript.status == "error"
    assert "Server error" in transcript.error


def test_recording_without_speech_is_completed_and_not_an_error(vendors, browser):
    reason = "language_detection cannot be performed on files with no spoken audio."
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/error", error=reason, audio_duration=7))

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("completed", "no-speech")
    assert (transcript.text, transcript.error) == ("", "")
    assert transcript.nobody_spoke
    assert transcript.audio_seconds == 7


def test_a_transcript_deleted_at_assemblyai_before_we_read_it_is_an_error(vendors):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/deleted"))

    advanced(transcript)

    assert transcript.status == "error"
    assert "deleted" in transcript.error
    assert transcript.text == ""


def test_deleted_job_never_overwrites_a_completed_transcript(client, vendors):
    transcript = a_transcript("completed", text="Ours.", next_attempt_at=None)

    answer = nudge(client, transcript)
    tasks.sweep()
    advanced(transcript)

    assert answer.status_code == 204
    assert transcript.text == "Ours."


# Accept odd results, because every finished job is paid for


@pytest.mark.parametrize(
    "odd",
    [
        {"brand_new": {"deep": [1]}},
        {"confidence": None},
        {"confidence": "0.9"},
        {"audio_duration": 6.6},
        {"audio_duration": None},
        {"audio_duration": True},
        {"audio_duration": 10**400},
        {"audio_duration": 1e22},
        {"audio_duration": -7},
        {"words": None},
        {"words": {}},
        {"words": [{"text": "Please", "start": None, "end": None, "confidence": None}]},
        {"language_code": None},
        {"language_code": "x" * 500},
        {"speech_model_used": "y" * 500},
        {"speech_model_used": None},
        {"language_code": {"not": "text"}},
        {"utterances": "unexpected"},
    ],
)
def test_unexpected_field_values_do_not_lose_the_text(vendors, odd):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/completed", **odd))

    advanced(transcript)

    assert (transcript.status, transcript.text) == ("completed", TEXT)
    for key in set(odd) - {"words"}:
        assert transcript.response[key] == odd[key]


def test_null_byte_in_the_text_does_not_lose_the_rest(vendors):
    words = [{"text": "Ple\0ase", "start": 0, "end": 1, "confidence": 1}]
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/completed", text="Ple\0ase.", words=words))

    advanced(transcript)

    assert transcript.status == "completed"
    assert transcript.text.endswith("ase.")


@pytest.mark.parametrize("text", [None, ""])
def test_a_completed_job_without_text_means_that_nobody_spoke(vendors, text):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/completed", text=text, words=[]))

    advanced(transcript)

    assert transcript.status == "completed"
    assert transcript.nobody_spoke


@pytest.mark.parametrize("status", ["throttled", "x" * 200, "", None, 7])
def test_unknown_assemblyai_status_is_stored_and_polled_again(vendors, status):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/queued", status=status))

    advanced(transcript)

    assert transcript.status not in ("completed", "error")
    assert transcript.status[:20] == str(status or "queued")[:20]
    assert 10 < seconds_until_next_attempt(transcript) < 31
    assert gets_to_the_text(transcript, vendors)


@pytest.mark.parametrize("word", ["pending", "fetched", "uploaded", "submitting"])
def test_assemblyai_status_equal_to_one_of_ours_starts_no_second_job(vendors, word):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/queued", status=word))

    advanced(transcript)
    make_due(transcript)
    advanced(transcript)

    assert (transcript.status, transcript.assemblyai_id) == ("queued", JOB_ID)
    assert {call.request.method for call in vendors.calls} == {"GET"}


HALF_A_CHARACTER = r"\ud83d"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1.5"])
def test_invalid_confidence_and_characters_do_not_lose_the_text(vendors, number):
    transcript = a_transcript("queued")
    body = json.dumps(load("assemblyai/completed", text="ODD", confidence="NUMBER"))
    body = body.replace('"NUMBER"', number).replace("ODD", f"Hello {HALF_A_CHARACTER}.")
    vendors.get(JOB, body=body, content_type="application/json")

    advanced(transcript)

    assert (transcript.status, transcript.confidence) == ("completed", None)
    assert transcript.text == "Hello ?."
    assert transcript.words


@pytest.mark.parametrize("error", ["Server error \0", "Odd \0"])
def test_a_zero_byte_in_a_jobs_error_ends_the_row_all_the_same(vendors, error):
    transcript = a_transcript("queued", jobs=MAX_JOBS)
    vendors.get(JOB, json=load("assemblyai/error", error=error))

    advanced(transcript)

    assert transcript.status == "error"
    assert error.strip("\0") in transcript.error


def test_database_error_is_retried_and_its_detail_is_not_logged(
    vendors, monkeypatch, caplog
):
    def refuse(*args, **columns):
        raise DataError("DETAIL: the words that were said")

    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/completed"))
    monkeypatch.setattr("transcription.models.Transcript.finish", refuse)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("queued", "temporary")
    assert "(DataError)" in transcript.error
    assert transcript.lease is None
    assert "words that were said" not in caplog.text


# Faults on our own side


def test_audio_that_is_gone_from_our_storage_is_fetched_again(vendors, media):
    transcript = a_transcript("fetched")
    gone = transcript.recording.audio.path
    transcript.recording.audio.storage.delete(transcript.recording.audio.name)
    vendors.get(MEDIA, body=wav())
    answers_well(vendors)

    advanced(transcript)

    assert transcript.status == "queued"
    transcript.recording.refresh_from_db()
    (stored,) = media.rglob("*.wav")
    assert str(stored) == transcript.recording.audio.path != gone


def test_audio_that_is_gone_here_and_at_twilio_may_come_back(vendors):
    transcript = a_transcript("fetched")
    transcript.recording.audio.storage.delete(transcript.recording.audio.name)
    vendors.get(MEDIA, **refusal(20404, 404))

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("fetched", "temporary")
    assert "missing from our storage" in transcript.error


@pytest.mark.parametrize("sid", [None, RECORDING_SID])
def test_audio_on_a_storage_that_is_not_mounted_is_found_later(vendors, media, sid):
    recording = a_recording(sid=sid)
    transcript = a_transcript("fetched", recording=recording)
    away = media.rename(media.with_name("away"))
    gone_at_twilio = vendors.get(MEDIA, **refusal(20404, 404))

    for _ in range(4):
        make_due(transcript)
        advanced(transcript)
    waited = transcript.status, transcript.error_class, transcript.error
    away.rename(media)
    vendors.remove(gone_at_twilio)

    assert waited[:2] == ("fetched", "temporary")
    assert "missing from our storage" in waited[2]
    assert gets_to_the_text(transcript, vendors)
    assert transcript.recording.audio.name == recording.audio.name


def test_full_disk_is_reported_and_retried(vendors, monkeypatch, media):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    transcript = a_transcript("pending")
    vendors.get(MEDIA, body=wav())
    with monkeypatch.context() as disk:
        disk.setattr("django.core.files.storage.FileSystemStorage._save", full)
        advanced(transcript)

    assert "No space left on device" in transcript.error
    assert not list(media.rglob("*.wav"))
    assert gets_to_the_text(transcript, vendors)


def test_a_recording_whose_audio_column_is_empty_does_not_stop_the_worker(vendors):
    transcript = a_transcript("fetched")
    transcript.recording.audio = ""
    transcript.recording.save()
    vendors.get(MEDIA, body=wav())
    answers_well(vendors)

    advanced(transcript)

    assert transcript.lease is None
    assert transcript.error or transcript.assemblyai_id == JOB_ID


def test_recording_that_is_deleted_while_it_is_fetched_is_no_error(
    vendors, media, caplog
):
    def deleted_meanwhile(request):
        Recording.objects.all().delete()
        return 200, {}, wav()

    vendors.add_callback("GET", MEDIA, deleted_meanwhile)

    tasks.advance.call(a_transcript("pending").pk)

    assert not list(media.rglob("*.wav"))
    assert "lease=lost" in caplog.text
    assert "DoesNotExist" not in caplog.text


def test_task_for_a_deleted_transcript_does_nothing():
    transcript = a_transcript("pending")
    pk = transcript.pk
    transcript.delete()

    assert tasks.advance.call(pk) is None
