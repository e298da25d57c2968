"""What the called person hears. twilio.com/docs/voice/twiml/record"""

from xml.etree import ElementTree

import pytest

from tests.caller.rows import CALL_SID, a_call, call_path, record_path
from tests.data import load

pytestmark = [pytest.mark.django_db, pytest.mark.quick]

BASE = "https://djtranscribe.example.com"


@pytest.fixture
def heard(signed_post):
    """Return a function that requests a TwiML document and returns its verbs."""

    def ask(path, **fields):
        answer = signed_post(path, load("twilio/twiml-request", **fields))
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/xml")
        return list(ElementTree.fromstring(answer.content))

    return ask


def test_an_answered_call_hears_the_notice_and_is_recorded_once(heard, settings):
    settings.RECORDING_NOTICE = "This call is recorded."
    settings.RECORDING_MAX_SECONDS = 200
    settings.RECORDING_SILENCE_SECONDS = 4
    call = a_call()

    say, record, silence, hangup = heard(record_path(call))

    assert (say.tag, say.text) == ("Say", "This call is recorded.")
    assert record.tag == "Record"
    assert record.attrib == {
        "action": f"{BASE}/record/done/?call={call.uuid}#rc=3&rp=all",
        "maxLength": "200",
        "timeout": "4",
        "playBeep": "true",
        "trim": "do-not-trim",
        "recordingStatusCallback": f"{BASE}/webhooks/twilio/recording/"
        f"?call={call.uuid}#rc=3&rp=all",
        "recordingStatusCallbackEvent": "completed absent",
    }
    assert (silence.tag, hangup.tag) == ("Say", "Hangup")
    assert "heard nothing" in silence.text


@pytest.mark.parametrize(
    "notice",
    ["</Say><Dial>+19002345678</Dial><Say>", "Tom & Jerry <3", "“Quoted” 'text' ]]>"],
)
def test_markup_in_the_notice_is_escaped(heard, settings, notice):
    settings.RECORDING_NOTICE = notice
    call = a_call()

    verbs = heard(record_path(call))

    assert [verb.tag for verb in verbs] == ["Say", "Record", "Say", "Hangup"]
    assert verbs[0].text == notice


def test_asking_for_the_document_links_the_call_and_marks_it_answered(heard):
    call = a_call()

    heard(record_path(call))

    call.refresh_from_db()
    assert (call.sid, call.status) == (CALL_SID, "in-progress")


def test_after_the_recording_the_call_ends(heard):
    call = a_call()

    say, hangup = heard(
        f"/record/done/?call={call.uuid}", **load("twilio/record-action")
    )

    assert say.text == "Thank you. Goodbye."
    assert hangup.tag == "Hangup"


@pytest.mark.parametrize("query", ["", "?call=", "?call=x", "?call=" + "0" * 32])
def test_a_call_that_is_not_ours_is_hung_up_and_never_recorded(heard, query):
    verbs = heard(f"/record/{query}")

    assert [verb.tag for verb in verbs] == ["Hangup"]


def test_another_call_with_our_uuid_is_hung_up(heard, signed_post):
    call = a_call()
    signed_post(call_path(call), load("twilio/status-callback"))

    verbs = heard(record_path(call), CallSid="CA" + "f" * 32)

    assert [verb.tag for verb in verbs] == ["Hangup"]


def test_the_document_is_never_cached(signed_post):
    answer = signed_post(record_path(a_call()), load("twilio/twiml-request"))

    assert "no-store" in answer["Cache-Control"]
