"""The host and the credentials of our requests to Twilio."""

import base64

import pytest
import responses
from django.core.checks import run_checks
from django.utils import timezone

from caller.twilio import client as twilio_client
from caller.twilio.errors import TwilioError
from tests.caller.rows import (
    ACCOUNT_SID,
    API,
    CALL_SID,
    CALLS,
    DIAL,
    MEDIA,
    RECORDING_SID,
    RECORDINGS,
    a_call,
    a_recording,
    recording_path,
    refusal,
)
from tests.data import load, wav
from tests.transcription.rows import a_transcript, advanced

pytestmark = pytest.mark.django_db

KEY, SECRET = "SK" + "0123456789abcdef" * 2, "s3cr3t-of-the-key"
HOSTS = [
    ("", "", "api.twilio.com"),
    ("ie1", "dublin", "api.dublin.ie1.twilio.com"),
    ("au1", "sydney", "api.sydney.au1.twilio.com"),
    ("ie1", "", "api.dublin.ie1.twilio.com"),
    ("au1", "", "api.sydney.au1.twilio.com"),
    ("jp1", "", "api.tokyo.jp1.twilio.com"),
    ("us1", "", "api.ashburn.us1.twilio.com"),
    ("ie1", "frankfurt", "api.frankfurt.ie1.twilio.com"),
    ("", "sao-paulo", "api.sao-paulo.us1.twilio.com"),
    ("", "dublin", "api.dublin.us1.twilio.com"),
]


def at(host, url):
    return url.replace("api.twilio.com", host)


def user_and_password(request):
    header = request.headers["Authorization"]
    return base64.b64decode(header.removeprefix("Basic ")).decode()


@pytest.fixture
def keyed(settings):
    settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET = KEY, SECRET


def found():
    return [m.id for m in run_checks() if m.id.startswith("caller.")]


# Regions


@pytest.mark.parametrize(("region", "edge", "host"), HOSTS)
def test_dialling_lists_and_audio_go_to_the_region(
    browser, vendors, settings, region, edge, host
):
    settings.TWILIO_REGION, settings.TWILIO_EDGE = region, edge
    dialled = vendors.post(at(host, CALLS), json=load("twilio/call"), status=201)
    first = load("twilio/recordings")
    second = "/2010-04-01/Accounts/x/Recordings.json?Page=1"
    page = vendors.get(at(host, RECORDINGS), json={**first, "next_page_uri": second})
    following = vendors.get(
        f"https://{host}{second}", json={**first, "next_page_uri": None}
    )
    vendors.get(at(host, MEDIA), body=wav(1))

    browser.post(DIAL)
    list(twilio_client.recordings_since(timezone.now()))
    with twilio_client.open_recording(RECORDING_SID) as answer:
        audio = answer.content

    assert dialled.call_count == page.call_count == following.call_count == 1
    assert audio == wav(1)
    assert {call.request.url.split("/")[2] for call in vendors.calls} == {host}
    assert found() == []


def test_the_address_for_copying_is_that_of_the_region(browser, settings):
    settings.TWILIO_REGION = "ie1"
    a_recording(call=a_call(sid=CALL_SID))

    page = browser.get(f"/get-recording-url/{CALL_SID}/")

    assert page.text.strip() == at("api.dublin.ie1.twilio.com", MEDIA)


@pytest.mark.parametrize("name", ["TWILIO_REGION", "TWILIO_EDGE"])
def test_the_sdk_does_not_read_the_environment_past_the_settings(
    vendors, monkeypatch, settings, name
):
    settings.TWILIO_AUTH_TOKEN = f"another-client-{name}"
    monkeypatch.setenv(name, "ie1")
    vendors.get(f"{API}/Calls/{CALL_SID}.json", json=load("twilio/call"))

    assert twilio_client.fetch_call(CALL_SID).sid == CALL_SID


@pytest.mark.parametrize(
    "host", ["api.ie1.twilio.com", "api.dublin.ie1.twilio.com", "evil.example"]
)
def test_recording_url_in_a_webhook_is_never_requested(
    signed_post, vendors, settings, host
):
    settings.TWILIO_REGION = "ie1"
    call = a_call(sid=CALL_SID, status="completed")
    url = f"https://{host}/2010-04-01/Accounts/{ACCOUNT_SID}/Recordings/{RECORDING_SID}"
    fields = load("twilio/recording-callback", RecordingUrl=url)

    answer = signed_post(recording_path(call), fields)

    assert answer.status_code in (200, 204)
    assert call.recordings.get().sid == RECORDING_SID
    assert not vendors.calls


@pytest.mark.parametrize(
    "storage", ["https://media.storage.example/a.wav", "https://api.twilio.com/x.wav"]
)
def test_audio_is_followed_to_a_storage_host_which_gets_no_credentials(
    vendors, settings, storage
):
    settings.TWILIO_REGION = "ie1"
    host = "api.dublin.ie1.twilio.com"
    vendors.get(at(host, MEDIA), status=307, headers={"Location": storage})
    vendors.get(storage, body=wav(1))

    with twilio_client.open_recording(RECORDING_SID) as answer:
        assert answer.content == wav(1)

    first, second = vendors.calls
    assert "Authorization" in first.request.headers
    assert "Authorization" not in second.request.headers


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        *(
            ({"TWILIO_REGION": value}, ["caller.E012"])
            for value in (
                "IE1",
                "ireland",
                "ie1.evil.com",
                "ie",
                "ie1/",
                "dublin",
                "é1",
            )
        ),
        *(
            ({"TWILIO_EDGE": value}, ["caller.E012"])
            for value in ("ie1", "Dublin", "dublin.ie1", "dublin/", "a b", "@evil.com")
        ),
        (
            {
                "TWILIO_REGION": "ie1",
                "TWILIO_API_URL": "https://api.sydney.au1.twilio.com",
            },
            ["caller.E013"],
        ),
        (
            {
                "TWILIO_EDGE": "dublin",
                "TWILIO_API_URL": "https://api.dublin.ie1.twilio.com",
            },
            ["caller.E013"],
        ),
        (
            {
                "TWILIO_REGION": "ie1",
                "DEBUG": True,
                "TWILIO_API_URL": "http://127.0.0.1:8001",
            },
            ["caller.E013"],
        ),
        (
            {
                "TWILIO_REGION": "ie1",
                "TWILIO_API_URL": "https://api.dublin.ie1.twilio.com",
            },
            [],
        ),
        ({"TWILIO_REGION": "de1"}, ["caller.W010"]),
        ({"TWILIO_API_URL": "https://api.ie1.twilio.com"}, ["caller.W010"]),
        ({"TWILIO_API_URL": "https://api.sydney.au1.twilio.com/"}, []),
        *(
            ({"TWILIO_API_URL": f"https://{rest}"}, ["caller.E005"])
            for rest in (
                "twilio.com",
                "www.twilio.com",
                "api.twilio.com/2010-04-01",
                "api.twilio.com?x=1",
                "api.twilio.com#x",
                "user:pw@api.twilio.com",
                "api.twilio.com:port",
                "api.twilio.com:8443",
                "api.a.b.c.twilio.com",
            )
        ),
        ({"DEBUG": True, "TWILIO_API_URL": "nonsense"}, ["caller.E005"]),
        ({"DEBUG": True, "TWILIO_API_URL": "ftp://127.0.0.1"}, ["caller.E005"]),
    ],
)
def test_checks_of_the_address(settings, changes, expected):
    for name, value in changes.items():
        setattr(settings, name, value)

    assert found() == expected


# API keys


def test_every_request_uses_the_key_and_the_path_names_the_account(
    browser, vendors, keyed
):
    vendors.post(CALLS, json=load("twilio/call"), status=201)
    vendors.get(RECORDINGS, json=load("twilio/recordings"))
    vendors.get(MEDIA, body=wav(1))

    browser.post(DIAL)
    list(twilio_client.recordings_since(timezone.now()))
    with twilio_client.open_recording(RECORDING_SID) as answer:
        assert answer.content

    asked = [call.request for call in vendors.calls]
    assert len(asked) == 3
    assert {user_and_password(request) for request in asked} == {f"{KEY}:{SECRET}"}
    assert all(f"/Accounts/{ACCOUNT_SID}/" in request.url for request in asked)


def test_webhooks_are_still_signed_with_the_auth_token(signed_post, keyed):
    call = a_call(sid=CALL_SID, status="completed")

    answer = signed_post(recording_path(call), load("twilio/recording-callback"))

    assert answer.status_code in (200, 204)


@pytest.mark.parametrize(
    ("key", "secret", "expected"),
    [
        (KEY, "", "caller.E010"),
        ("", SECRET, "caller.E010"),
        ("AC" + KEY[2:], SECRET, "caller.E011"),
        (KEY[:-1], SECRET, "caller.E011"),
        (KEY.upper(), SECRET, "caller.E011"),
        (KEY + "\n", SECRET, "caller.E011"),
    ],
)
def test_checks_of_the_key(settings, key, secret, expected):
    settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET = key, secret

    messages = [m for m in run_checks() if m.id.startswith("caller.")]

    assert [m.id for m in messages] == [expected]
    assert messages[0].hint
    assert SECRET not in f"{messages[0].msg} {messages[0].hint}"


@pytest.mark.parametrize(("key", "secret"), [(KEY, ""), ("", SECRET)])
def test_half_a_key_never_falls_back_to_the_auth_token(browser, settings, key, secret):
    settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET = key, secret

    page = browser.post(DIAL, follow=True)

    assert "work only together" in page.text


XML = (
    '<?xml version="1.0"?><TwilioResponse><RestException><Code>{}</Code>'
    "<Message>x</Message></RestException></TwilioResponse>"
)
REFUSED = [
    (401, 20003, ["TWILIO_API_KEY", "region"]),
    (401, None, ["TWILIO_API_KEY", "region"]),
    (403, 20003, ["TWILIO_API_KEY", "region"]),
    (403, 20006, ["permissions"]),
    (403, 20008, ["test credentials"]),
    (403, 20403, ["suspended or closed"]),
    (403, 20005, ["suspended or closed"]),
    (401, 70051, ["permissions"]),
    (403, 70051, ["permissions"]),
    (403, 12345, ["permissions"]),
    (403, None, ["permissions"]),
]


@pytest.mark.parametrize("as_xml", [False, True])
@pytest.mark.parametrize(("status", "code", "words"), REFUSED)
def test_refused_api_key_is_an_account_error_for_audio(
    vendors, keyed, caplog, status, code, words, as_xml
):
    caplog.set_level("DEBUG")
    transcript = a_transcript("pending", recording=a_recording())
    body = "" if code is None else XML.format(code)
    answer = {"body": body} if as_xml or not code else {"json": {"code": code}}
    vendors.get(MEDIA, status=status, **answer)

    advanced(transcript)

    assert (transcript.status, transcript.error_class) == ("pending", "account")
    assert all(word in transcript.error for word in words)
    assert SECRET not in caplog.text + transcript.error


@pytest.mark.parametrize(("status", "code", "words"), REFUSED)
@pytest.mark.parametrize(
    "ask",
    [
        lambda: twilio_client.fetch_call(CALL_SID),
        lambda: list(twilio_client.recordings_since(timezone.now())),
    ],
)
def test_refused_api_key_is_an_account_error_for_rest_requests(
    vendors, keyed, status, code, words, ask
):
    answer = refusal(code, status) if code else {"body": "", "status": status}
    vendors.get(RECORDINGS, **answer)
    vendors.get(f"{API}/Calls/{CALL_SID}.json", **answer)

    with pytest.raises(TwilioError) as error:
        ask()

    assert error.value.account
    assert error.value.permanent
    assert all(word in error.value.message for word in words)


@pytest.mark.parametrize(
    ("changes", "named", "setting"),
    [
        ({}, "us1", "TWILIO_REGION"),
        ({"TWILIO_REGION": "ie1"}, "ie1", "TWILIO_REGION"),
        (
            {"TWILIO_REGION": "au1", "TWILIO_EDGE": "sydney"},
            "au1",
            "TWILIO_REGION",
        ),
        (
            {"TWILIO_API_URL": "https://api.dublin.ie1.twilio.com"},
            "dublin.ie1",
            "TWILIO_API_URL",
        ),
    ],
)
def test_a_refused_key_names_the_region_that_was_asked_and_its_setting(
    vendors, keyed, settings, changes, named, setting
):
    for name, value in changes.items():
        setattr(settings, name, value)
    vendors.add(
        responses.GET,
        twilio_client.media_url(RECORDING_SID),
        **refusal(20003, 401),
    )

    with (
        pytest.raises(TwilioError) as error,
        twilio_client.open_recording(RECORDING_SID),
    ):
        pass

    assert named in error.value.message
    assert f"set {setting} to change that" in error.value.message
