"""The whole way from Twilio's webhook about a recording to the text on the page."""

import json
import re
from urllib.parse import urlsplit

import pytest
import responses
from django.db import DatabaseError

from caller import tasks as caller_tasks
from caller.models import Recording
from tests.caller.rows import (
    CALL,
    CALL_SID,
    MEDIA,
    RECORDING_SID,
    RECORDINGS,
    a_call,
    deliveries,
    recording_path,
)
from tests.data import load, wav
from tests.transcription.rows import (
    AUDIO_URL,
    JOB,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    answers_well,
    make_due,
)
from transcription import tasks
from transcription.models import Transcript, Vocabulary

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.sql,
    pytest.mark.quick,
]


def test_a_call_becomes_text_with_three_requests_to_assemblyai_and_one_to_twilio(
    browser, signed_post, vendors, work
):
    call = a_call()
    vendors.get(MEDIA, body=wav(7), content_type="audio/x-wav")
    theirs = answers_well(vendors)

    for path, fields in deliveries(call):
        signed_post(path, fields)
    work()
    submitted = json.loads(theirs["submit"].calls[0].request.body)
    nudge = browser.post(
        urlsplit(submitted["webhook_url"]).path,
        load("assemblyai/webhook"),
        content_type="application/json",
        headers={
            submitted["webhook_auth_header_name"]: submitted[
                "webhook_auth_header_value"
            ]
        },
    )
    work()

    transcript = Transcript.objects.get()
    assert nudge.status_code == 204
    assert (transcript.status, transcript.text) == ("completed", TEXT)
    assert [(c.request.method, c.request.url) for c in vendors.calls] == [
        ("GET", MEDIA),
        ("POST", UPLOAD),
        ("POST", TRANSCRIPT),
        ("GET", JOB),
    ]
    page = browser.get(f"/calls/{call.uuid}/")
    assert TEXT in re.sub("<[^>]+>", "", page.text)
    assert f'src="/recordings/{transcript.recording_id}/audio/"' in page.text


def test_sweep_alone_produces_the_text_without_webhooks(vendors, work):
    call = a_call(sid=CALL_SID, status="ringing", next_check_at="2026-01-01T00:00Z")
    ended = {"status": "completed", "duration": "17", "price": None}
    vendors.get(CALL, json=load("twilio/call", **ended))
    vendors.get(
        RECORDINGS,
        json=load("twilio/recordings", recordings=[load("twilio/recording")]),
    )
    vendors.get(MEDIA, body=wav(7))
    answers_well(vendors)

    checked = caller_tasks.sweep()
    work()
    make_due(Transcript.objects.get())
    swept = tasks.sweep()
    work()

    call.refresh_from_db()
    assert (checked, swept) == (1, 1)
    assert (call.status, call.duration_seconds) == ("completed", 17)
    assert Transcript.objects.get().text == TEXT


def test_result_fields_are_stored(vendors, work, signed_post):
    call = a_call(sid=CALL_SID)
    vendors.get(MEDIA, body=wav(7))
    answers_well(vendors)

    signed_post(recording_path(call), load("twilio/recording-callback"))
    work()
    make_due(Transcript.objects.get())
    tasks.sweep()
    work()

    transcript = Transcript.objects.get()
    assert transcript.confidence == 0.952
    assert transcript.language == "en_us"
    assert transcript.model_used == "assemblyai-stt-3-7"
    assert transcript.audio_seconds == 7
    assert transcript.words == load("assemblyai/completed")["words"]
    assert transcript.response["speech_models"] == ["assemblyai-stt-3-7", "universal-2"]
    assert "words" not in transcript.response
    assert transcript.finished_at is not None
    assert (transcript.lease, transcript.next_attempt_at) == (None, None)
    assert transcript.jobs == 1


def test_the_audio_that_is_uploaded_is_the_audio_that_twilio_sent(
    vendors, work, signed_post, media
):
    call = a_call(sid=CALL_SID)
    audio = wav(7)
    uploaded = []

    def take(request):
        uploaded.append(request.body)
        return 200, {}, json.dumps(load("assemblyai/upload"))

    vendors.get(MEDIA, body=audio)
    vendors.add_callback(responses.POST, UPLOAD, take)
    vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))
    signed_post(recording_path(call), load("twilio/recording-callback"))
    work()

    recording = Recording.objects.get()
    assert uploaded == [audio]
    assert (media / "recordings" / recording.filename).read_bytes() == audio
    assert recording.filename.startswith(f"{RECORDING_SID}-")


def test_the_recording_and_its_transcript_are_stored_both_or_neither(
    signed_post, monkeypatch
):
    call = a_call(sid=CALL_SID)

    def full(*args, **kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(Transcript, "save", full)
    answer = signed_post(recording_path(call), load("twilio/recording-callback"))

    assert answer.status_code == 503
    assert not Recording.objects.exists()


def test_a_queue_that_is_away_loses_no_transcript(
    signed_post, monkeypatch, vendors, work
):
    call = a_call(sid=CALL_SID)
    vendors.get(MEDIA, body=wav(7))
    answers_well(vendors)

    def away(*args, **kwargs):
        raise ConnectionError("no broker")

    with monkeypatch.context() as broken:
        broken.setattr("django_tasks_db.backend.DatabaseBackend.enqueue", away)
        answer = signed_post(recording_path(call), load("twilio/recording-callback"))
    swept = tasks.sweep()
    work()

    assert answer.status_code == 204
    assert swept == 1
    assert Transcript.objects.get().status == "queued"


def test_the_default_keyword_list_is_used_where_none_was_chosen(signed_post):
    default = Vocabulary.objects.create(name="House", terms="ward", is_default=True)
    call = a_call(sid=CALL_SID)

    signed_post(recording_path(call), load("twilio/recording-callback"))

    assert Transcript.objects.get().vocabulary == default


def test_the_upload_names_no_number_and_carries_no_secret_of_twilio(
    vendors, work, signed_post
):
    call = a_call(sid=CALL_SID)
    vendors.get(MEDIA, body=wav(1))
    theirs = answers_well(vendors)

    signed_post(recording_path(call), load("twilio/recording-callback"))
    work()

    sent = theirs["submit"].calls[0].request
    assert json.loads(sent.body)["audio_url"] == AUDIO_URL
    assert "tests-only-token" not in sent.body.decode()
    assert "5551234" not in sent.body.decode()
    assert sent.headers["Authorization"] == "tests-only-key"


def test_nothing_said_in_a_call_reaches_the_log(vendors, work, signed_post, caplog):
    for logger in ("caller", "djtranscribe", "transcription"):
        caplog.set_level("INFO", logger=logger)
    call = a_call(sid=CALL_SID)
    vendors.get(MEDIA, body=wav(1))
    answers_well(vendors)

    signed_post(recording_path(call), load("twilio/recording-callback"))
    work()
    make_due(Transcript.objects.get())
    tasks.sweep()
    work()

    assert "step=refresh" in caplog.text
    assert "cardiology" not in caplog.text
    for secret in ("tests-only", "5551234", Transcript.objects.get().webhook_token()):
        assert secret not in caplog.text
