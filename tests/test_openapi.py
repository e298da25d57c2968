"""Every request that the product sends follows the vendors' own specifications.

The specifications are in tests/data/openapi.
"""

import json
from urllib.parse import urlsplit

import pytest
import requests
from django.utils import timezone
from jsonschema import Draft202012Validator
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest

from caller import tasks as caller_tasks
from caller.models import Call
from caller.twilio import client as twilio_client
from tests.caller.rows import (
    CALL,
    CALL_SID,
    CALLS,
    DIAL,
    MEDIA,
    RECORDING,
    RECORDING_SID,
    RECORDINGS,
    deliveries,
)
from tests.data import load, nullable, openapi, wav
from tests.transcription.rows import JOB, TRANSCRIPT, UPLOAD, make_due
from transcription import tasks
from transcription.models import Transcript, Vocabulary

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Ignore warnings of openapi-core and jsonschema: they are not about our requests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def specifications():
    # openapi-core validates only str as a string, but the body of an upload is bytes.
    audio = {"application/octet-stream": lambda body, **_: body.decode("latin-1")}
    config = Config(extra_media_type_deserializers=audio)
    return {
        host: OpenAPI.from_dict(openapi(name), config)
        for host, name in {
            "api.twilio.com": "twilio",
            "api.assemblyai.com": "assemblyai",
        }.items()
    }


@pytest.fixture
def whole_way(browser, signed_post, vendors, work):
    """Return all kinds of requests that we send to vendors.

    A call is dialled, recorded and transcribed. An answer of AssemblyAI is lost, so
    that we also request AssemblyAI's list of jobs.
    """
    words = Vocabulary.objects.create(
        name="Cardiology", terms="metoprolol", custom_spellings="e c g = ECG"
    )
    recordings = load("twilio/recordings", recordings=[load("twilio/recording")])
    vendors.post(CALLS, json=load("twilio/call"), status=201)
    vendors.get(CALLS, json=load("twilio/calls", calls=[]))
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(RECORDINGS, json=recordings)
    vendors.get(RECORDING, json=load("twilio/recording"))
    vendors.get(MEDIA, body=wav())
    uploads = []

    def take_upload(request):
        # Keep the bytes now: after the upload, the body is a closed file.
        uploads.append(request.body)
        return 200, {}, json.dumps(load("assemblyai/upload"))

    vendors.add_callback("POST", UPLOAD, take_upload)
    vendors.post(TRANSCRIPT, body=requests.ReadTimeout("slow"))
    vendors.get(TRANSCRIPT, json=load("assemblyai/list"))
    vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))
    vendors.get(JOB, json=load("assemblyai/completed"))

    browser.post(DIAL, {"vocabulary": words.pk})
    call = Call.objects.get()
    for path, fields in deliveries(call):
        signed_post(path, fields)
    work()
    for _ in range(2):
        make_due(Transcript.objects.get())
        tasks.sweep()
        work()
    Call.objects.update(next_check_at=timezone.now())
    caller_tasks.check_call.call(call.pk)
    twilio_client.list_calls(call.other_number)
    twilio_client.fetch_recording(RECORDING_SID)
    list(twilio_client.calls_since(timezone.now()))
    list(twilio_client.recordings_since(timezone.now()))
    assert Transcript.objects.get().status == "completed"
    sent = [call.request for call in vendors.calls]
    for request in sent:
        if request.url == UPLOAD:
            request.body = uploads.pop(0)
    return sent


def test_every_request_is_as_the_vendor_specifies_it(whole_way, specifications):
    validated = set()

    for request in whole_way:
        url = urlsplit(request.url)
        if url.path.endswith(".wav"):
            continue  # audio files are not part of the specification
        specification = specifications[url.hostname]
        specification.validate_request(RequestsOpenAPIRequest(request))
        validated.add((request.method, url.path.rpartition("/")[2]))

    assert validated == {
        ("POST", "Calls.json"),
        ("GET", "Calls.json"),
        ("GET", f"{CALL_SID}.json"),
        ("GET", "Recordings.json"),
        ("GET", f"{RECORDING_SID}.json"),
        ("POST", "upload"),
        ("POST", "transcript"),
        ("GET", "transcript"),
        ("GET", "00000000-0000-4000-8000-0000000000aa"),
    }


def test_specification_rejects_a_removed_field(specifications):
    """This checks the test above: the specification must reject unknown fields."""
    dead = {"audio_url": "https://x/", "speech_models": ["a"], "word_boost": ["b"]}
    request = requests.Request(
        "POST", TRANSCRIPT, json=dead, headers={"Authorization": "k"}
    )

    with pytest.raises(Exception, match=r"(?i)body"):
        specifications["api.assemblyai.com"].validate_request(
            RequestsOpenAPIRequest(request.prepare())
        )


@pytest.mark.parametrize(
    ("name", "host", "schema"),
    [
        ("twilio/call", "api.twilio.com", "api.v2010.account.call"),
        ("twilio/recording", "api.twilio.com", "api.v2010.account.recording"),
        ("assemblyai/upload", "api.assemblyai.com", "UploadedFile"),
        ("assemblyai/queued", "api.assemblyai.com", "Transcript"),
        ("assemblyai/completed", "api.assemblyai.com", "Transcript"),
        ("assemblyai/error", "api.assemblyai.com", "Transcript"),
        ("assemblyai/deleted", "api.assemblyai.com", "Transcript"),
        ("assemblyai/listed", "api.assemblyai.com", "TranscriptListItem"),
        ("assemblyai/list", "api.assemblyai.com", "TranscriptList"),
        ("assemblyai/webhook", "api.assemblyai.com", "TranscriptReadyNotification"),
        ("assemblyai/refusal", "api.assemblyai.com", "Error"),
    ],
)
def test_the_answers_that_the_tests_give_are_as_specified_too(
    specifications, name, host, schema
):
    document = nullable(openapi(host.split(".")[1]))
    reference = {"$ref": f"#/components/schemas/{schema}", **document}

    errors = list(Draft202012Validator(reference).iter_errors(load(name)))

    assert not errors
