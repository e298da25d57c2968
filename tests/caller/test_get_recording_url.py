"""The view /get-recording-url/ (see docs/tutorial.md): each line is an audio URL."""

import pytest
import requests

from tests.caller.rows import (
    API,
    CALL,
    CALL_SID,
    MEDIA,
    RECORDING_SID,
    RECORDINGS,
    a_call,
    a_recording,
    refusal,
)
from tests.data import load

pytestmark = pytest.mark.django_db

URL = f"/get-recording-url/{CALL_SID}/"


def test_our_own_rows_are_answered_without_asking_twilio(browser):
    call = a_call(sid=CALL_SID)
    a_recording(call=call)
    a_recording(call=call, sid="RE" + "f" * 32)
    a_recording(call=call, sid="RE" + "e" * 32, status="absent")

    answer = browser.get(URL)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert sorted(answer.text.splitlines()) == [
        MEDIA,
        f"{API}/Recordings/RE{'f' * 32}.wav",
    ]


def test_recordings_of_an_unknown_call_are_fetched_from_twilio(browser, vendors):
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    early = load("twilio/recording", sid="RE" + "e" * 32, status="processing")
    rows = [load("twilio/recording"), early]
    asked = vendors.get(RECORDINGS, json=load("twilio/recordings", recordings=rows))

    answer = browser.get(URL)

    assert answer.text == f"{MEDIA}\n"
    assert asked.calls[0].request.params["CallSid"] == CALL_SID
    assert RECORDING_SID in answer.text
    assert ".json" not in answer.text


def test_a_call_without_a_recording_is_not_found(browser, vendors):
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(RECORDINGS, json=load("twilio/recordings"))

    answer = browser.get(URL)

    assert answer.status_code == 404
    assert "no recording" in answer.text


def test_a_sid_that_twilio_does_not_know_is_not_found(browser, vendors):
    vendors.get(CALL, **refusal(20404, 404))

    answer = browser.get(URL)

    assert answer.status_code == 404
    assert answer.text == "Twilio knows no call with this SID."


@pytest.mark.parametrize(
    "sid", ["CA1", "RE" + "0" * 32, "CA" + "G" * 32, "CA" + "0" * 33, "x.json", "CA٠"]
)
def test_invalid_sid_is_not_found_without_asking_twilio(browser, sid):
    answer = browser.get(f"/get-recording-url/{sid}/")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "not the SID" in answer.text


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500},
        {"body": requests.ReadTimeout("slow")},
        refusal(20003, 401),
    ],
)
def test_twilio_being_away_is_a_bad_gateway_with_a_sentence(browser, vendors, failure):
    vendors.get(CALL, **failure)

    answer = browser.get(URL)

    assert answer.status_code == 502
    assert "Twilio" in answer.text


def test_a_stranger_is_sent_to_the_login(client):
    assert client.get(URL)["Location"].startswith("/admin/login/")


def test_user_without_permission_gets_no_recording_url(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody"))

    assert client.get(URL).status_code == 403
