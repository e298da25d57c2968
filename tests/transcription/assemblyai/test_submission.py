"""Starting a job at AssemblyAI. Jobs cost money and have no idempotency key."""

import json
from datetime import timedelta

import pytest
import requests
import responses
from django.utils import timezone

from tests.caller.rows import MEDIA, a_recording
from tests.data import load, wav
from tests.transcription.rows import (
    AUDIO_URL,
    JOB,
    JOB_ID,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    a_transcript,
    advanced,
    answers_well,
    make_due,
    seconds_until_next_attempt,
)
from transcription.models import MAX_ATTEMPTS, MAX_JOBS, Transcript, Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.quick]


def sent(answer):
    return json.loads(answer.calls[0].request.body)


def test_the_request_for_a_plain_call(vendors):
    transcript = a_transcript("uploaded")
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)

    assert sent(asked) == {
        "audio_url": AUDIO_URL,
        "speech_models": ["assemblyai-stt-3-7", "universal-2"],
        "language_code": "en_us",
        "webhook_url": "https://djtranscribe.example.com/webhooks/assemblyai/"
        f"{transcript.uuid}/",
        "webhook_auth_header_name": "X-Djtranscribe-Token",
        "webhook_auth_header_value": transcript.webhook_token(),
    }
    assert transcript.assemblyai_id == JOB_ID
    assert transcript.submitted_at is not None


def test_the_request_is_kept_without_the_webhooks_secret(vendors):
    transcript = a_transcript("uploaded")
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)

    body = sent(asked)
    secret = body.pop("webhook_auth_header_value")
    assert transcript.request == body
    assert secret not in json.dumps(list(Transcript.objects.values()), default=str)


def test_keyword_list_is_sent_and_stored_with_the_request(vendors):
    words = Vocabulary.objects.create(
        name="Cardiology",
        terms="metoprolol\n\n  heart   failure \nmetoprolol\n",
        custom_spellings="k 8 s, kubernetes = Kubernetes\n",
    )
    transcript = a_transcript("uploaded", vocabulary=words)
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)
    words.delete()
    transcript.refresh_from_db()

    assert sent(asked)["keyterms_prompt"] == ["metoprolol", "heart failure"]
    assert sent(asked)["custom_spelling"] == [
        {"from": ["k 8 s", "kubernetes"], "to": "Kubernetes"}
    ]
    assert transcript.vocabulary is None
    assert transcript.request["keyterms_prompt"] == ["metoprolol", "heart failure"]


def test_an_empty_keyword_list_sends_no_list(vendors):
    words = Vocabulary.objects.create(name="Empty", terms="\n \n")
    transcript = a_transcript("uploaded", vocabulary=words)
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)

    assert "keyterms_prompt" not in sent(asked)
    assert "custom_spelling" not in sent(asked)


def test_language_detection_is_sent_only_when_asked_for(vendors, settings):
    settings.SPEECH_LANGUAGE_CODE = "detect"
    transcript = a_transcript("uploaded")
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)

    assert sent(asked)["language_detection"] is True
    assert "language_code" not in sent(asked)


@pytest.mark.parametrize(("channels", "expected"), [(None, None), (1, None), (2, True)])
def test_two_channels_are_transcribed_apart(vendors, channels, expected):
    transcript = a_transcript("uploaded", recording=a_recording(channels=channels))
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)

    assert sent(asked).get("multichannel") is expected


def test_without_a_public_address_there_is_no_webhook(vendors, settings):
    settings.BASE_URL = ""
    transcript = a_transcript("uploaded")
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)

    assert not [key for key in sent(asked) if key.startswith("webhook")]


def test_row_is_marked_submitting_before_the_request_is_sent(vendors):
    transcript = a_transcript("uploaded")
    seen = []

    def look(request):
        row = Transcript.objects.get(pk=transcript.pk)
        seen.append((row.status, row.submitted_at is not None, row.request is not None))
        return 200, {}, json.dumps(load("assemblyai/queued"))

    vendors.add_callback(responses.POST, TRANSCRIPT, look)
    advanced(transcript)

    assert seen == [("submitting", True, True)]


LOST = [
    pytest.param({"body": requests.ReadTimeout("slow")}, id="timeout"),
    pytest.param({"body": requests.ConnectionError("reset")}, id="reset"),
    pytest.param({"status": 500}, id="500"),
    pytest.param({"status": 502, "body": "<h1>Bad Gateway</h1>"}, id="502"),
    pytest.param({"json": {}}, id="an answer without an id"),
    pytest.param({"json": {"id": None}}, id="a null id"),
    pytest.param({"body": "{"}, id="half an answer"),
]


@pytest.mark.parametrize("lost", LOST)
def test_a_job_whose_answer_was_lost_is_found_and_not_paid_twice(vendors, lost):
    transcript = a_transcript("uploaded")
    asked = vendors.post(TRANSCRIPT, **lost)
    now = timezone.now().strftime("%FT%T.%f")
    others = load(
        "assemblyai/listed", id="other", audio_url="https://elsewhere/", created=now
    )
    ours = load("assemblyai/listed", created=now)
    vendors.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=[others, ours]))
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(transcript)
    status_then, waits = transcript.status, seconds_until_next_attempt(transcript)
    make_due(transcript)
    advanced(transcript)

    assert status_then == "lost"
    assert waits > 30  # seconds in which AssemblyAI may still create the job
    assert (transcript.status, transcript.text) == ("completed", TEXT)
    assert transcript.assemblyai_id == JOB_ID
    assert asked.call_count == 1


@pytest.mark.parametrize("lost", LOST)
def test_a_request_that_never_arrived_is_sent_again(vendors, lost):
    transcript = a_transcript("uploaded")
    vendors.post(TRANSCRIPT, **lost)
    vendors.get(TRANSCRIPT, json=load("assemblyai/list"))
    again = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)
    make_due(transcript)
    advanced(transcript)

    assert again.call_count == 1
    assert (transcript.status, transcript.jobs) == ("queued", 1)


def test_next_worker_looks_for_the_job_of_a_worker_killed_while_submitting(
    vendors,
):
    transcript = a_transcript("submitting", lease=JOB_ID, leased_until=timezone.now())
    ours = load("assemblyai/listed", created=timezone.now().strftime("%FT%T.%f"))
    vendors.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=[ours]))
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(transcript)
    waits = seconds_until_next_attempt(transcript)
    make_due(transcript)
    advanced(transcript)

    assert waits > 30  # seconds: the dead worker's request may still be on its way
    assert transcript.text == TEXT
    assert [call.request.method for call in vendors.calls] == ["GET", "GET"]


def test_a_refused_or_unsent_request_is_sent_again_without_looking(vendors):
    transcript = a_transcript("uploaded")
    vendors.post(TRANSCRIPT, status=429)
    again = vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)
    status_then = transcript.status
    make_due(transcript)
    advanced(transcript)

    assert status_then == "uploaded"
    assert again.call_count == 1
    assert {call.request.method for call in vendors.calls} == {"POST"}


def test_a_refused_connection_leaves_nothing_to_look_for(settings):
    settings.ASSEMBLYAI_API_URL = "http://127.0.0.1:9"  # no server uses this port
    transcript = a_transcript("uploaded")

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("uploaded", "temporary")
    assert "nothing was sent" in transcript.error


def test_a_job_of_another_transcript_is_not_adopted(vendors):
    recording = a_recording()
    a_transcript("completed", recording=recording)
    transcript = a_transcript("lost", recording=recording)
    theirs = load("assemblyai/listed", created=timezone.now().strftime("%FT%T.%f"))
    vendors.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=[theirs]))
    vendors.get(TRANSCRIPT, json=load("assemblyai/list"))
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued", id="a new one"))

    advanced(transcript)

    assert asked.call_count == 1
    assert transcript.assemblyai_id == "a new one"


@pytest.mark.parametrize("is_ours", [True, False])
def test_job_with_twilio_url_is_adopted_only_if_its_webhook_url_is_ours(
    vendors, is_ours
):
    # All transcripts of a recording have the same `audio_url` if it is a URL at Twilio.
    # So a job with this URL can belong to another transcript, which was deleted here.
    transcript = a_transcript("lost", audio_url=MEDIA, uploaded_at=None)
    webhook = f"https://djtranscribe.example.com/webhooks/{transcript.uuid}/"
    created = timezone.now().strftime("%FT%T.%f")
    found = load("assemblyai/listed", audio_url=MEDIA, created=created)
    vendors.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=[found]))
    vendors.get(TRANSCRIPT, json=load("assemblyai/list"))
    webhook = webhook if is_ours else webhook.replace(str(transcript.uuid), "another")
    vendors.get(JOB, json=load("assemblyai/completed", webhook_url=webhook))
    asked = vendors.post(TRANSCRIPT, json=load("assemblyai/queued", id="a new one"))

    advanced(transcript)

    assert asked.call_count == (0 if is_ours else 1)
    assert transcript.assemblyai_id == (JOB_ID if is_ours else "a new one")


@pytest.mark.parametrize("uploaded", [timedelta(), timedelta(hours=30)])
def test_a_lost_job_is_looked_for_before_an_operator_pays_for_another(
    vendors, uploaded
):
    moment = timezone.now() - uploaded
    transcript = a_transcript(
        "lost", attempts=99, uploaded_at=moment, submitted_at=moment
    )
    vendors.get(TRANSCRIPT, status=503)
    advanced(transcript)
    status_then = transcript.status
    ours = load("assemblyai/listed", created=moment.strftime("%FT%T.%f"))
    listed = load("assemblyai/list", transcripts=[ours])
    vendors.replace("GET", TRANSCRIPT, json=listed)
    vendors.get(JOB, json=load("assemblyai/completed"))

    assert transcript.retry()
    advanced(transcript)

    assert status_then == "error"
    assert (transcript.status, transcript.text) == ("completed", TEXT)
    assert {call.request.method for call in vendors.calls} == {"GET"}


@pytest.mark.parametrize("answer", [{"status": 403}, {"status": 404}, {"status": 503}])
def test_a_job_that_could_not_be_read_is_read_again_and_not_paid_again(vendors, answer):
    transcript = a_transcript("queued", attempts=99)
    vendors.get(JOB, **answer)
    advanced(transcript)
    status_then = transcript.status
    vendors.replace("GET", JOB, json=load("assemblyai/completed"))

    assert transcript.retry()
    advanced(transcript)

    assert status_then == "error"
    assert (transcript.status, transcript.text) == ("completed", TEXT)


@pytest.mark.parametrize("job", [load("assemblyai/queued"), {"status": "odd"}, {}])
def test_a_job_that_never_ends_is_given_up_after_a_day_and_can_be_read_later(
    vendors, job
):
    transcript = a_transcript(
        "queued",
        attempts=MAX_ATTEMPTS - 1,
        submitted_at=timezone.now() - timedelta(hours=23),
    )
    asked = vendors.get(JOB, json=job)
    advanced(transcript)
    state_after_23_hours = (transcript.attempts, transcript.error)
    a_day_ago = timezone.now() - timedelta(hours=24)
    Transcript.objects.update(submitted_at=a_day_ago)

    for _ in range(MAX_ATTEMPTS):
        make_due(transcript)
        advanced(transcript)
    requests_sent = asked.call_count
    vendors.replace("GET", JOB, json=load("assemblyai/completed"))
    status_then, error = transcript.status, transcript.error
    assert transcript.retry()
    advanced(transcript)

    assert state_after_23_hours == (0, "")
    assert (status_then, requests_sent) == ("error", MAX_ATTEMPTS + 1)
    assert "AssemblyAI has not finished" in error
    assert (transcript.status, transcript.text) == ("completed", TEXT)
    assert {call.request.method for call in vendors.calls} == {"GET"}


def test_a_job_that_assemblyai_does_not_know_is_asked_for_anew(vendors):
    transcript = a_transcript("queued")
    lost = "Transcript lookup error, transcript id not found"
    unknown = vendors.get(JOB, status=400, json={"error": lost})
    advanced(transcript)
    status_then = transcript.status
    vendors.remove(unknown)
    theirs = answers_well(vendors)

    assert transcript.retry()
    advanced(transcript)

    assert status_then == "error"
    assert theirs["submit"].call_count == 1
    assert transcript.status == "queued"


def test_a_retry_that_was_decided_on_an_older_row_does_nothing(vendors):
    transcript = a_transcript("lost")
    transcript.fail("Given up.")
    older = Transcript.objects.get()
    Transcript.objects.update(submitted_at=timezone.now())

    assert not older.retry()


def test_an_upload_of_a_key_that_was_replaced_is_uploaded_again(vendors):
    transcript = a_transcript("uploaded")
    refused = {"status": 403, "json": {"error": "Cannot access uploaded file"}}
    asked = vendors.post(TRANSCRIPT, **refused)
    advanced(transcript)
    state_then = (transcript.status, transcript.audio_url)
    vendors.remove(asked)
    theirs = answers_well(vendors)

    make_due(transcript)
    advanced(transcript)

    assert state_then == ("fetched", "")
    assert theirs["upload"].call_count == 1
    assert transcript.status == "queued"


def test_row_fails_after_repeated_refusals_of_its_upload(vendors):
    transcript = a_transcript("uploaded")
    vendors.post(UPLOAD, json=load("assemblyai/upload"))
    vendors.post(TRANSCRIPT, status=403)

    for _ in range(MAX_JOBS + 1):
        make_due(transcript)
        advanced(transcript)

    assert (transcript.status, transcript.jobs) == ("error", MAX_JOBS)
    assert "403" in transcript.error


def test_the_lease_is_renewed_while_the_list_is_read_and_before_a_job_is_paid(
    vendors, settings
):
    settings.LEASE_SECONDS = 60
    transcript = a_transcript("lost")
    ends = []

    def look(request):
        row = Transcript.objects.get(pk=transcript.pk)
        ends.append(row.leased_until)
        # Simulate that the response took 30 seconds.
        Transcript.objects.update(leased_until=row.leased_until - timedelta(seconds=30))
        body = load("assemblyai/queued")
        if request.method == "GET":
            body = load("assemblyai/list", transcripts=jobs_of_others(200))
            if "before_id" in request.params:
                body = load("assemblyai/list")
        return 200, {}, json.dumps(body)

    vendors.add_callback(responses.GET, TRANSCRIPT, look)
    vendors.add_callback(responses.POST, TRANSCRIPT, look)
    advanced(transcript)

    assert len(ends) == 3
    assert ends == sorted(ends)


def jobs_of_others(number):
    created = timezone.now().strftime("%FT%T.%f")
    return [
        load("assemblyai/listed", id=str(n), audio_url="https://x/", created=created)
        for n in range(number)
    ]


def test_job_list_is_read_back_to_one_day_before_the_request(vendors):
    transcript = a_transcript("lost")
    now = timezone.now()

    def page(request):
        before = request.params.get("before_id")
        created = now if before is None else now - timedelta(days=3)
        job = load(
            "assemblyai/listed",
            id=f"after {before}",
            audio_url="https://elsewhere/",
            created=created.strftime("%FT%T.%f"),
        )
        return 200, {}, json.dumps(load("assemblyai/list", transcripts=[job]))

    vendors.add_callback(responses.GET, TRANSCRIPT, page)
    vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))
    advanced(transcript)

    asked = [call.request.params for call in vendors.calls[:-1]]
    assert asked == [{"limit": "200"}, {"limit": "200", "before_id": "after None"}]
    assert transcript.assemblyai_id == JOB_ID


@pytest.mark.parametrize("is_there", [True, False])
def test_the_list_is_read_down_to_a_job_that_we_started_earlier(vendors, is_there):
    recording, now = a_recording(), timezone.now()
    for minutes in (4, 6):
        a_transcript(
            "completed",
            recording=recording,
            assemblyai_id=f"{minutes} minutes",
            submitted_at=now - timedelta(minutes=minutes),
        )
    transcript = a_transcript("lost", recording=recording, submitted_at=now)
    created = now.strftime("%FT%T.%f")

    def page(request):
        # Reading ends after a page with a job that we submitted over 5 minutes
        # (CLOCK_SKEW) before `transcript`. Here, this is page 2.
        is_first = "before_id" not in request.params
        listed = [
            load(
                "assemblyai/listed",
                id="4 minutes" if is_first else "6 minutes",
                audio_url="https://elsewhere/",
                created=created,
            )
        ]
        if is_there and not is_first:
            listed.append(load("assemblyai/listed", created=created))
        return 200, {}, json.dumps(load("assemblyai/list", transcripts=listed))

    vendors.add_callback(responses.GET, TRANSCRIPT, page)
    vendors.get(JOB, json=load("assemblyai/completed"))
    paid = vendors.post(TRANSCRIPT, json=load("assemblyai/queued", id="a new one"))

    advanced(transcript)

    asked = [call for call in vendors.calls if "limit" in (call.request.params or {})]
    assert len(asked) == 2
    assert paid.call_count == (0 if is_there else 1)
    assert transcript.assemblyai_id == (JOB_ID if is_there else "a new one")


def test_job_list_reading_stops_after_two_hundred_pages(vendors):
    transcript = a_transcript("lost")
    job = load(
        "assemblyai/listed",
        audio_url="https://elsewhere/",
        created=timezone.now().strftime("%FT%T.%f"),
    )
    pages = vendors.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=[job]))

    advanced(transcript)

    assert pages.call_count == 200
    # The job may be on a later page, so no new job is started.
    assert (transcript.status, transcript.error_class) == ("lost", "temporary")
    assert "too long" in transcript.error


@pytest.mark.parametrize("status", ["uploaded", "lost"])
def test_audio_that_assemblyai_has_forgotten_is_uploaded_again(vendors, status):
    yesterday = timezone.now() - timedelta(hours=23, minutes=1)
    transcript = a_transcript(status, uploaded_at=yesterday, submitted_at=yesterday)
    theirs = answers_well(vendors)

    advanced(transcript)

    assert theirs["upload"].call_count == 1
    assert theirs["submit"].call_count == 1
    assert transcript.uploaded_at > yesterday


def test_audio_uploaded_22_hours_ago_is_not_uploaded_again(vendors):
    transcript = a_transcript(
        "uploaded", uploaded_at=timezone.now() - timedelta(hours=22)
    )
    theirs = answers_well(vendors)

    advanced(transcript)

    assert theirs["upload"].call_count == 0
    assert transcript.status == "queued"


# AUDIO_DELIVERY=url: AssemblyAI fetches the audio from Twilio itself


def test_recording_url_is_sent_when_audio_delivery_is_url(vendors, settings):
    settings.AUDIO_DELIVERY = "url"
    transcript = a_transcript("pending")
    vendors.get(MEDIA, body=wav())
    theirs = answers_well(vendors)

    advanced(transcript)

    assert sent(theirs["submit"])["audio_url"] == MEDIA
    assert theirs["upload"].call_count == 0
    assert transcript.recording.audio  # the operator needs it to listen


def test_an_address_that_assemblyai_cannot_open_is_followed_by_an_upload(
    vendors, settings
):
    settings.AUDIO_DELIVERY = "url"
    transcript = a_transcript("fetched")
    theirs = answers_well(vendors)
    vendors.remove(theirs["fetch"])
    failed = load("assemblyai/error", error=f"Download error, unable to access {MEDIA}")
    vendors.get(JOB, json=failed)
    vendors.get(JOB, json=load("assemblyai/completed"))

    for _ in range(4):
        make_due(transcript)
        advanced(transcript)

    sent_urls = [
        json.loads(call.request.body)["audio_url"] for call in theirs["submit"].calls
    ]
    assert sent_urls == [MEDIA, AUDIO_URL]
    assert theirs["upload"].call_count == 1
    assert transcript.text == TEXT


def test_local_file_is_uploaded_even_when_audio_delivery_is_url(vendors, settings):
    settings.AUDIO_DELIVERY = "url"
    transcript = a_transcript("fetched", recording=a_recording(sid=None, source="file"))
    theirs = answers_well(vendors)

    advanced(transcript)

    assert theirs["upload"].call_count == 1


def test_an_upload_without_an_address_is_tried_again(vendors):
    transcript = a_transcript("fetched")
    vendors.post(UPLOAD, json={"upload_url": ""})

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("fetched", "temporary")
