"""The product logs in to Twilio's stand-in with an API key, over real sockets."""

from contextlib import suppress
from datetime import timedelta

import pytest
import requests
from django.utils import timezone

from caller.twilio import client as twilio_client
from caller.twilio.errors import TwilioError
from djtranscribe.models import VendorPause
from tests.caller.rows import a_call, a_recording
from tests.sandbox.conftest import ACCOUNT_SID, API_KEY, API_SECRET, PHONE_NUMBER, until
from tests.sandbox.twilio_calls import finished
from tests.transcription.rows import UPLOAD, a_transcript, advanced, make_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keyed(settings, twilio):
    """Configure an API key, and an auth token that the stand-in refuses."""
    settings.DEBUG = True
    settings.TWILIO_API_URL = twilio.url
    settings.TWILIO_ACCOUNT_SID = ACCOUNT_SID
    settings.TWILIO_AUTH_TOKEN = "for-signatures-only"
    settings.TWILIO_API_KEY = API_KEY
    settings.TWILIO_API_SECRET = API_SECRET
    settings.TWILIO_PHONE_NUMBER = PHONE_NUMBER
    return twilio


@pytest.fixture
def recorded(keyed, dial, client):
    """Return the SID of a completed call, and the SID of its recording."""
    sid = finished(client, dial().sid).sid
    done = until(
        lambda: [r for r in twilio_client.list_recordings(sid) if r.duration_seconds],
        "the recording",
    )
    return sid, done[0].sid


def make_key(kind, keyed):
    keyed.control("POST", "api-key", {"kind": kind})


def test_calls_lists_and_audio_work_with_the_key_alone(keyed, recorded):
    call_sid, recording_sid = recorded
    with suppress(TwilioError):
        # The callback URLs lead nowhere. Only the request itself matters here.
        twilio_client.place_call(a_call())

    assert twilio_client.fetch_call(call_sid).status == "completed"
    assert twilio_client.our_number()
    assert list(twilio_client.calls_since(timezone.now() - timedelta(days=1)))
    with twilio_client.open_recording(recording_sid) as answer:
        assert answer.content[:4] == b"RIFF"
    asked = [r for r in keyed.control("GET", "requests") if "/2010-" in r["path"]]
    assert {r["method"] for r in asked} >= {"GET", "POST"}


def test_without_the_key_the_same_requests_are_refused(keyed, recorded, settings):
    settings.TWILIO_API_KEY = settings.TWILIO_API_SECRET = ""

    with pytest.raises(TwilioError) as error:
        twilio_client.fetch_call(recorded[0])

    assert error.value.account
    assert "TWILIO_AUTH_TOKEN" in error.value.message


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("deleted", "Compare TWILIO_API_KEY, TWILIO_API_SECRET"),
        ("restricted", "(error 70051)"),
        ("test", "test credentials"),
    ],
)
def test_a_key_that_may_not_read_audio_pauses_twilio_and_fails_no_row(
    keyed, recorded, vendors, caplog, kind, sentence
):
    caplog.set_level("DEBUG")
    vendors.post(UPLOAD, status=503)
    transcript = a_transcript("pending", recording=a_recording(sid=recorded[1]))
    make_key(kind, keyed)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("pending", "account")
    assert transcript.attempts == 0
    assert sentence in transcript.error
    assert sentence in VendorPause.objects.get(vendor="twilio").reason
    assert API_SECRET not in caplog.text + transcript.error
    assert "for-signatures-only" not in caplog.text

    make_key("standard", keyed)
    VendorPause.objects.update(probe_at=timezone.now())
    make_due(transcript)
    advanced(transcript)

    assert transcript.status == "fetched"
    assert not VendorPause.objects.exists()


def test_a_call_that_can_be_read_does_not_end_the_pause_of_the_audio(keyed, recorded):
    call_sid, recording_sid = recorded
    transcript = a_transcript("pending", recording=a_recording(sid=recording_sid))
    make_key("restricted", keyed)
    advanced(transcript)
    VendorPause.objects.update(probe_at=timezone.now())

    with VendorPause.objects.guard_request("twilio"):
        twilio_client.fetch_call(call_sid)

    assert VendorPause.objects.filter(vendor="twilio", refused="audio").exists()


@pytest.mark.parametrize("password", ["", "wrong", "for-signatures-only"])
def test_the_stand_in_refuses_a_key_with_another_secret(twilio, password):
    url = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"

    answer = requests.get(url, auth=(API_KEY, password), timeout=60)

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize("body", [{}, {"kind": "x"}, {"kind": None}, []])
def test_unknown_key_kind_is_refused(twilio, body):
    url = f"{twilio.url}/_sandbox/api-key"

    answer = requests.post(url, json=body, timeout=60)

    assert answer.status_code == 400
