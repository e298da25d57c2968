"""If AssemblyAI refuses our settings, new jobs wait. None fails."""

import json
from datetime import timedelta

import pytest
import responses
from django.utils import timezone

from djtranscribe.models import VendorPause
from tests.caller.rows import a_recording
from tests.data import load
from tests.transcription.rows import (
    JOB,
    JOB_ID,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    a_transcript,
    advanced,
    make_due,
)
from transcription.assemblyai.payloads import request_body
from transcription.models import MAX_JOBS, Transcript, Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

RETIRED = (
    'The "universal-3-pro" speech model(s) have been deprecated. '
    'Use speech_models: ["assemblyai-stt-3-7", "universal-2"] instead.'
)
# {AssemblyAI's reason for a refusal: a part of our message to the operator}.
OF_ANY_REQUEST = {
    RETIRED: "Change SPEECH_MODELS (now universal-3-pro,universal-2)",
    '"speech_models" must be a non-empty list containing one or more of: '
    '"assemblyai-stt-3-7", "universal-2"': "Change SPEECH_MODELS",
    'speech_model is deprecated. Use "speech_models" instead.': "SPEECH_MODELS",
    "Model universal-2 has been retired.": "Change SPEECH_MODELS",
    "universal-3-pro is unknown": "Change SPEECH_MODELS",
    '"word_boost" is not compatible with universal-3-pro. '
    'Use "prompt" or "keyterms_prompt"': "Change SPEECH_MODELS",
    '"keyterms_prompt" is not supported by universal-2': "Change SPEECH_MODELS",
    "The following models are not available in this language: punctuate": (
        "Change LANGUAGE_CODE (now en_us)"
    ),
    "Invalid language_code: en_us": "Change LANGUAGE_CODE",
    "webhook_url must be https": "Check BASE_URL",
    "Invalid endpoint schema: unknown field webhook_auth_header_name": "BASE_URL",
    "Invalid endpoint schema, please refer to the documentation": "Upgrade",
    'Unknown parameter "punctuation_style"': "Upgrade",
    "Invalid JSON body": "Upgrade",
    "multichannel is not supported": "",
    "Your account has no credits left": "dashboard",
    "Computer says no.": "Compare AssemblyAI's message with SPEECH_MODELS",
    "": "AssemblyAI says: nothing",
}
OF_THIS_RECORDING = [
    "Transcript creation error, audio_url should start with http",
    "Audio duration is too short.",
    "File does not appear to contain audio. File type is text/html",
    "Transcoding failed. File does not appear to contain audio.",
    "Download error, unable to access file at https://cdn.assemblyai.com/upload/x",
    "detected language 'bg' is not supported by model universal-2",
    "multichannel needs two channels, and this file is mono",
    "The file could not be opened: unknown codec in field 3",
]
OF_THIS_LIST = [
    "keyterms_prompt: at most 1000 words in all",
    "keyterms_prompt: a phrase has at most 6 words",
    "keyterms_prompt contains unsupported characters",
    "keyterms_prompt exceeds the maximum of universal-2",
    "custom_spelling: to must be one word",
]


@pytest.fixture(autouse=True)
def old_models(settings):
    settings.SPEECH_MODELS = ["universal-3-pro", "universal-2"]


def refuses(vendors, reason, status=400):
    return vendors.post(TRANSCRIPT, json={"error": reason}, status=status)


def rows(count, **columns):
    recording = columns.pop("recording", None) or a_recording()
    return [
        a_transcript("uploaded", recording=recording, **columns) for _ in range(count)
    ]


def a_list(**columns):
    terms = "Okonkwo\natrial fibrillation"
    return Vocabulary.objects.create(
        name="Ward", terms=terms, custom_spellings="e c g = ECG", **columns
    )


def running(**columns):
    """Return a transcript whose job was started with the settings of this test."""
    transcript = a_transcript("queued", submitted_at=timezone.now(), **columns)
    transcript.request = request_body(transcript)
    transcript.save()
    return transcript


def state(transcript):
    transcript.refresh_from_db()
    return transcript.status, transcript.error_class


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(("reason", "change"), OF_ANY_REQUEST.items())
def test_refusal_of_every_request_pauses_assemblyai_and_fails_no_row(
    vendors, reason, change, status
):
    one, other = rows(2)
    asked = refuses(vendors, reason, status)

    for transcript in (one, other):
        advanced(transcript)

    assert asked.call_count == 1
    assert state(one) == state(other) == ("uploaded", "account")
    assert (one.attempts, one.jobs, one.submitted_at) == (0, 0, None)
    told = VendorPause.objects.get().reason
    assert change in told
    assert reason in told
    assert "restart the web server and the workers" in told
    assert one.error == other.error == told


@pytest.mark.parametrize("reason", OF_THIS_RECORDING)
def test_refusal_of_one_recording_fails_only_its_row(vendors, reason):
    transcript = a_transcript("uploaded")
    refuses(vendors, reason)

    advanced(transcript)

    assert state(transcript) == ("error", "permanent")
    assert reason in transcript.error
    assert not VendorPause.objects.exists()


@pytest.mark.parametrize("reason", OF_THIS_LIST)
def test_refusal_of_one_keyword_list_fails_only_its_row(vendors, reason):
    transcript = a_transcript("uploaded", vocabulary=a_list())
    refuses(vendors, reason)

    advanced(transcript)

    assert state(transcript) == ("error", "permanent")
    assert not VendorPause.objects.exists()


@pytest.mark.parametrize(
    ("language", "change"), [("de", "now de"), ("detect", "now detect")]
)
def test_the_language_that_is_set_is_named(vendors, settings, language, change):
    settings.SPEECH_LANGUAGE_CODE = language
    transcript = a_transcript("uploaded")
    refuses(vendors, "The following models are not available in this language: x")

    advanced(transcript)

    assert f"Change LANGUAGE_CODE ({change})" in VendorPause.objects.get().reason


@pytest.mark.parametrize("status", [404, 405, 410, 415])
def test_an_address_without_an_api_fails_nothing(vendors, status):
    transcript = a_transcript("uploaded")
    vendors.post(TRANSCRIPT, status=status, body="<h1>nginx</h1>")

    advanced(transcript)

    assert state(transcript) == ("uploaded", "account")


def test_account_without_access_to_the_model_does_not_repeat_the_upload(vendors):
    transcript = a_transcript("uploaded")
    refuses(vendors, "Your plan has no access to model universal-3-pro", 403)

    advanced(transcript)

    assert state(transcript) == ("uploaded", "account")
    assert "Change SPEECH_MODELS" in VendorPause.objects.get().reason


def test_pause_reason_is_shown_in_healthz_and_admin(vendors, admin_client, client):
    refuses(vendors, RETIRED)
    advanced(a_transcript("uploaded"))

    health = client.get("/healthz")
    admin = admin_client.get("/admin/djtranscribe/vendorpause/")

    assert health.status_code == 503
    told = health.json()["paused"]["assemblyai"]
    assert "Change SPEECH_MODELS" in told
    assert "universal-3-pro is refused by AssemblyAI: use assemblyai-stt-3-7" in told
    assert RETIRED in told
    for word in ("Change SPEECH_MODELS", "assemblyai-stt-3-7"):
        assert word in admin.text


def test_rows_continue_after_a_setting_change_and_each_is_paid_once(vendors, settings):
    transcripts = rows(3)
    refused = refuses(vendors, RETIRED)
    for transcript in transcripts:
        advanced(transcript)
    # Try three times more, still with the refused settings.
    for _ in range(3):
        for transcript in transcripts:
            make_due(transcript)
            advanced(transcript)
    vendors.remove(refused)
    settings.SPEECH_MODELS = ["assemblyai-stt-3-7", "universal-2"]
    accepted = []

    def accept(request):
        accepted.append(json.loads(request.body)["speech_models"])
        return 200, {}, json.dumps(load("assemblyai/queued", id=f"job-{len(accepted)}"))

    vendors.add_callback(responses.POST, TRANSCRIPT, accept)
    for number in (1, 2, 3):
        job = load("assemblyai/completed", id=f"job-{number}")
        vendors.get(JOB.replace(JOB_ID, f"job-{number}"), json=job)
    for _ in range(3):
        for transcript in transcripts:
            make_due(transcript)
            advanced(transcript)

    assert accepted == [["assemblyai-stt-3-7", "universal-2"]] * 3
    assert {state(each) for each in transcripts} == {("completed", "")}
    assert {each.text for each in transcripts} == {TEXT}
    assert {each.jobs for each in transcripts} == {1}
    assert not VendorPause.objects.exists()


# Refusals of a single transcript


class Poisoned:
    """Simulate an AssemblyAI that refuses only this transcript's audio."""

    def __init__(self, vendors, transcript, reason):
        self.url, self.reason, self.accepted = transcript.audio_url, reason, []
        vendors.add_callback(responses.POST, TRANSCRIPT, self.answer)

    def answer(self, request):
        body = json.loads(request.body)
        if body["audio_url"] == self.url:
            return 400, {}, json.dumps({"error": self.reason})
        self.accepted.append(body["audio_url"])
        job = load("assemblyai/queued", id=f"job-{len(self.accepted)}")
        return 200, {}, json.dumps(job)


@pytest.mark.parametrize(
    "reason",
    ["Computer says no.", '"keyterms_prompt" is not supported by universal-2', RETIRED],
)
def test_single_refused_row_delays_the_others_by_only_one_probe(vendors, reason):
    poisoned = a_transcript(
        "uploaded", audio_url="https://cdn/poison", vocabulary=a_list()
    )
    others = rows(3, recording=poisoned.recording)
    for number, other in enumerate(others):
        Transcript.objects.filter(pk=other.pk).update(audio_url=f"https://cdn/{number}")
    theirs = Poisoned(vendors, poisoned, reason)

    advanced(poisoned)
    assert VendorPause.objects.exists()
    for other in others:
        advanced(other)
    assert theirs.accepted == []
    # `poisoned` waits. AssemblyAI accepts another transcript, so the pause ends.
    for each in (poisoned, *others):
        make_due(each)
        advanced(each)
    assert len(theirs.accepted) == 3
    assert not VendorPause.objects.exists()
    for _ in range(6):
        make_due(poisoned)
        advanced(poisoned)
        assert not VendorPause.objects.exists()

    assert state(poisoned) == ("error", "permanent")
    assert reason in poisoned.error
    assert "accepts others" in poisoned.error


@pytest.mark.parametrize("columns", [{"prompt": "A ward."}, {"domain": "medical-v1"}])
def test_prompt_or_domain_of_a_keyword_list_is_not_treated_as_a_setting(
    vendors, columns
):
    poisoned, other = rows(2)
    poisoned.vocabulary = Vocabulary.objects.create(name="Ward", **columns)

    assert_refused_alone(vendors, poisoned, other)


def test_speaker_labels_of_one_recording_are_not_treated_as_a_setting(vendors):
    talk = a_recording(source="DialVerb", channels=1, sid="RE" + "7" * 32)
    poisoned, other = rows(1, recording=talk)[0], rows(1)[0]

    assert_refused_alone(vendors, poisoned, other)


def assert_refused_alone(vendors, poisoned, other):
    poisoned.audio_url = "https://cdn/poison"
    poisoned.save()
    Poisoned(vendors, poisoned, "Computer says no.")
    advanced(poisoned)
    assert VendorPause.objects.exists()
    for each in [other] + [poisoned] * 6:
        make_due(each)
        advanced(each)

    assert (state(other)[0], state(poisoned)) == ("queued", ("error", "permanent"))
    assert not VendorPause.objects.exists()


def test_earlier_or_differently_configured_jobs_do_not_make_a_refusal_final(
    vendors, settings
):
    before, other, ours = rows(3)
    request = {"speech_models": settings.SPEECH_MODELS, "language_code": "en_us"}
    refuses(vendors, RETIRED)
    moment = timezone.now()
    Transcript.objects.filter(pk=before.pk).update(
        request=request, assemblyai_id="a", submitted_at=moment - timedelta(seconds=9)
    )
    advanced(ours)
    Transcript.objects.filter(pk=other.pk).update(
        request={**request, "speech_models": ["assemblyai-stt-3-7"]},
        assemblyai_id="b",
        submitted_at=timezone.now() + timedelta(seconds=9),
    )
    for _ in range(7):
        make_due(ours)
        advanced(ours)

    assert state(ours) == ("uploaded", "account")


# Settings that AssemblyAI refuses only when the job runs


@pytest.mark.parametrize(
    "reason",
    [
        RETIRED,
        "Model universal-3-pro is not available.",
        "The language_code en_us is not supported.",
        "Invalid endpoint schema: unknown field multichannel",
    ],
)
def test_a_job_that_ends_because_of_our_settings_pauses_and_is_started_again(
    vendors, settings, reason
):
    transcript = running()
    failed = vendors.get(JOB, json=load("assemblyai/error", error=reason))
    vendors.post(UPLOAD, json=load("assemblyai/upload"))
    vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))

    advanced(transcript)
    states = {state(transcript)}
    # Start more than MAX_JOBS jobs: jobs with refused settings are not counted.
    for _ in range(3 * MAX_JOBS):
        make_due(transcript)
        advanced(transcript)
        states.add(state(transcript))

    assert states == {("fetched", "account"), ("queued", "")}
    assert reason in VendorPause.objects.get().reason
    vendors.remove(failed)
    vendors.get(JOB, json=load("assemblyai/completed"))
    settings.SPEECH_MODELS = ["assemblyai-stt-3-7"]
    settings.SPEECH_LANGUAGE_CODE = "en"
    for _ in range(2):
        make_due(transcript)
        advanced(transcript)
    assert (transcript.status, transcript.text) == ("completed", TEXT)
    assert transcript.jobs == 1
    assert not VendorPause.objects.exists()


def test_accepted_probe_does_not_end_the_pause_while_jobs_fail(vendors):
    two, three = rows(2)
    one = running(recording=two.recording)
    vendors.get(JOB, json=load("assemblyai/error", error=RETIRED))
    submitted = vendors.post(TRANSCRIPT, json=load("assemblyai/queued", id="probe"))
    advanced(one)

    VendorPause.objects.update(probe_at=timezone.now())
    advanced(two)
    advanced(three)

    assert submitted.call_count == 1
    assert (state(two)[0], state(three)) == ("queued", ("uploaded", "account"))
    assert VendorPause.objects.exists()


def test_results_are_read_while_no_new_job_is_taken(vendors):
    refuses(vendors, RETIRED)
    advanced(a_transcript("uploaded"))
    job = running(recording=a_recording(sid="RE" + "7" * 32))
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(job)

    assert job.text == TEXT
    assert VendorPause.objects.exists()


# Private data that AssemblyAI may quote in a reason


def test_a_public_reason_quotes_no_name_and_no_token(vendors, client):
    prompt = "Calls of Dr. Quillfeather."
    transcript = a_transcript("uploaded", vocabulary=a_list(prompt=prompt))
    token = transcript.webhook_token()
    names = ["Okonkwo", "Atrial Fibrillation", "ECG", prompt]
    quoted = [*names, token, transcript.audio_url]
    refuses(vendors, f"Nope: {quoted}")

    advanced(transcript)

    told = client.get("/healthz").text + transcript.error
    names = ("Okonkwo", "Atrial", "ECG", "Quillfeather")
    for private in (*names, token, transcript.audio_url):
        assert private not in told
    assert "Nope" in told
