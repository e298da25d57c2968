import io
import wave

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from sandbox.twilio import audio
from sandbox.twilio.fates import FATES, SPECIALISTS
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN, PHONE_NUMBER, until
from tests.sandbox.twilio_calls import AUTH, SPEAKS, evidence, finished


def wav_seconds(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getframerate() == 8000
        return file.getnframes() / 8000


def test_a_call_goes_from_queued_to_a_recording_of_what_was_said(
    twilio, client, dial, product
):
    call = dial()
    assert call.status == "queued"
    assert call.direction == "outbound-api"

    ended = finished(client, call.sid)
    [recorded] = product.wait_for("/recording/")
    [action] = product.wait_for("/done/")
    [recording] = client.calls(call.sid).recordings.list()
    [same] = client.recordings.list(call_sid=call.sid)
    media = requests.get(recorded.params["RecordingUrl"], auth=AUTH, timeout=60)

    assert ended.status == "completed"
    assert ended.start_time <= ended.end_time
    assert recorded.params["RecordingStatus"] == "completed"
    assert recorded.params["RecordingSource"] == "RecordVerb"
    assert recorded.params["RecordingSid"] == recording.sid == same.sid
    assert "CallStatus" not in recorded.params
    assert action.params["Digits"] == ""
    assert same.media_url == recorded.params["RecordingUrl"]
    clip = audio.clip_for(SPEAKS)
    assert evidence(twilio, call.sid)["said"] == audio.said(clip)
    # The recording has the clip, and the three seconds of silence that ended it.
    expected = audio.speech_seconds(clip) + 3
    assert wav_seconds(media.content) == pytest.approx(expected, abs=0.01)
    assert recorded.params["RecordingDuration"] == str(round(expected))
    assert media.headers["Content-Type"] == "audio/x-wav"


def test_status_callbacks_come_in_twilios_order_with_its_parameters(
    client, dial, product
):
    call = dial()
    finished(client, call.sid)

    heard = [request.params for request in product.wait_for("/status/", 4)]

    statuses = [params["CallStatus"] for params in heard]
    assert statuses == ["initiated", "ringing", "in-progress", "completed"]
    assert [params["SequenceNumber"] for params in heard] == ["0", "1", "2", "3"]
    assert {p["CallbackSource"] for p in heard} == {"call-progress-events"}
    assert {p["CallSid"] for p in heard} == {call.sid}
    assert {(p["To"], p["From"]) for p in heard} == {(SPEAKS, PHONE_NUMBER)}
    assert all(p["Timestamp"].endswith("+0000") for p in heard)
    assert heard[3]["Duration"] == "1"
    assert int(heard[3]["CallDuration"]) >= 1
    assert "CallDuration" not in heard[0]


def test_every_request_to_the_product_is_signed_and_without_its_fragment(
    client, dial, product
):
    finished(client, dial().sid)
    product.wait_for("/recording/")

    validator = RequestValidator(AUTH_TOKEN)
    assert {r.path for r in product.received} == {
        "/record/",
        "/status/",
        "/recording/",
        "/done/",
    }
    for request in product.received:
        assert "#" not in request.url
        signature = request.headers["X-Twilio-Signature"]
        assert validator.validate(request.url, request.params, signature)


def test_a_webhook_by_get_carries_its_parameters_in_the_query_and_signs_them(
    client, dial, product
):
    finished(client, dial(status_callback_method="GET", method="GET").sid)

    [first, *_] = product.wait_for("/status/", 4)

    assert first.method == "GET"
    assert first.params["CallStatus"] == "initiated"
    signature = first.headers["X-Twilio-Signature"]
    assert RequestValidator(AUTH_TOKEN).validate(first.url, {}, signature)


def test_without_events_only_the_end_is_reported(client, dial, product):
    finished(client, dial(status_callback_event=None).sid)

    [only] = product.wait_for("/status/")

    assert only.params["CallStatus"] == "completed"


@pytest.mark.parametrize(
    ("digits", "status", "sip"),
    [("0002", "busy", "486"), ("0003", "no-answer", "487"), ("0004", "failed", "404")],
)
def test_an_unanswered_call_ends_with_its_status_and_no_twiml_is_asked_for(
    twilio, client, dial, product, digits, status, sip
):
    ended = finished(client, dial("+1415555" + digits).sid)

    assert ended.status == status
    assert ended.duration == "0"
    assert evidence(twilio, ended.sid)["said"] is None
    last = product.wait_for("/status/", 2 if status == "failed" else 3)[-1]
    assert last.params["CallStatus"] == status
    assert last.params["SipResponseCode"] == sip
    assert not product.at("/record/")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": "+14155550001"}, 21211),
        ({"To": "14155551234"}, 21211),
        ({"To": "+1415555١٢٣٤"}, 21211),
        ({"To": "+14155550005"}, 21215),
        ({"To": ""}, 21201),
        ({"From": "+15005550006"}, 21210),
        ({"From": "me"}, 21212),
        ({"Url": "None/record/"}, 21205),
        ({"Url": ""}, 21205),
        ({"StatusCallback": "/status/"}, 21609),
    ],
)
def test_a_bad_request_is_refused_with_twilios_code_and_no_call_is_made(
    twilio, change, code
):
    before = len(twilio.control("GET", "calls"))
    form = {"To": SPEAKS, "From": PHONE_NUMBER, "Url": "http://127.0.0.1:1/"} | change
    url = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"

    answer = requests.post(url, data=form, auth=AUTH, timeout=60)

    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert set(answer.json()) == {"code", "message", "more_info", "status"}
    assert len(twilio.control("GET", "calls")) == before


def test_a_silent_person_makes_a_recording_of_silence(client, dial, product):
    finished(client, dial("+14155550006").sid)

    [recorded] = product.wait_for("/recording/")
    media = requests.get(
        recorded.params["RecordingUrl"] + ".wav", auth=AUTH, timeout=60
    )

    assert recorded.params["RecordingStatus"] == "completed"
    assert wav_seconds(media.content) == 3
    assert set(media.content[44:]) == {0}


def test_hangup_before_the_beep_leaves_no_recording(client, dial, product):
    call = finished(client, dial("+14155550007").sid)

    product.wait_for("/status/", 4)
    assert call.status == "completed"
    assert client.recordings.list(call_sid=call.sid) == []
    assert not product.at("/recording/")
    assert not product.at("/done/")


def test_hangup_at_the_beep_leaves_an_absent_recording(client, dial, product):
    call = finished(client, dial("+14155550010").sid)

    [recorded] = product.wait_for("/recording/")
    [action] = product.wait_for("/done/")

    assert recorded.params["RecordingStatus"] == "absent"
    assert recorded.params["ErrorCode"] == "16101"
    assert action.params["Digits"] == "hangup"
    [recording] = client.recordings.list(call_sid=call.sid)
    assert (recording.status, recording.error_code) == ("absent", 16101)
    media = requests.get(recorded.params["RecordingUrl"], auth=AUTH, timeout=60)
    assert media.status_code == 404


def test_voicemail_records_the_greeting_and_its_beep(twilio, client, dial, product):
    call = finished(client, dial("+14155550008", machine_detection="Enable").sid)

    [recorded] = product.wait_for("/recording/")

    assert call.answered_by == "machine_start"
    assert product.at("/record/")[0].params["AnsweredBy"] == "machine_start"
    assert evidence(twilio, call.sid)["said"].startswith("You have reached")
    expected = audio.speech_seconds(audio.VOICEMAIL) + 3
    assert recorded.params["RecordingDuration"] == str(round(expected))


def test_call_is_placed_even_if_the_api_does_not_respond(twilio, client, product):
    before = len(twilio.control("GET", "calls"))
    form = {"To": "+14155550009", "From": PHONE_NUMBER, "Url": product.url + "/record/"}
    url = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"

    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(url, data=form, auth=AUTH, timeout=0.5)

    until(lambda: len(twilio.control("GET", "calls")) == before + 1, "the call")
    product.wait_for("/record/")
    [found] = client.calls.list(to="+14155550009")
    assert found.sid


def test_home_page_lists_every_simulated_outcome(twilio):
    page = requests.get(twilio.url, timeout=60).text

    assert "not Twilio" in page
    for digits, (name, sentence) in {**FATES, **SPECIALISTS}.items():
        assert digits in page
        assert name in page
        assert sentence in page.replace("&#x27;", "'")


def test_a_call_can_be_cancelled_only_while_nobody_has_answered(client, dial, twilio):
    done = finished(client, dial().sid)

    with pytest.raises(TwilioRestException) as refused:
        client.calls(done.sid).update(status="canceled")

    assert refused.value.code == 21220


def test_the_calls_are_listed_page_by_page_and_filtered(client, dial):
    numbers = [f"+1415556{n:04}" for n in range(1230, 1235)]
    calls = [finished(client, dial(number).sid) for number in numbers]
    first = calls[0]

    pages = client.calls.list(page_size=2)
    to = client.calls.list(to=numbers[3])
    since = client.calls.list(start_time_after=first.start_time)
    before = client.calls.list(start_time_before=first.start_time.replace(year=2020))
    busy = client.calls.list(status="busy", to=numbers[3])

    listed = [call.sid for call in pages]
    assert listed[:5] == [call.sid for call in reversed(calls)]
    assert len(listed) == len(set(listed))
    assert [call.sid for call in to] == [calls[3].sid]
    assert {call.sid for call in calls} <= {call.sid for call in since}
    assert before == []
    assert busy == []


def test_a_deleted_recording_is_gone_but_for_its_metadata(client, dial, product):
    call = finished(client, dial().sid)
    [recorded] = product.wait_for("/recording/")
    sid = recorded.params["RecordingSid"]

    assert client.recordings(sid).delete()

    with pytest.raises(TwilioRestException) as gone:
        client.recordings(sid).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)
    assert client.recordings(sid).fetch(include_soft_deleted=True).status == "deleted"
    assert client.recordings.list(call_sid=call.sid) == []
    media = requests.get(recorded.params["RecordingUrl"], auth=AUTH, timeout=60)
    assert media.status_code == 404


@pytest.mark.parametrize(
    "auth", [None, (ACCOUNT_SID, "wrong"), ("AC" + "0" * 32, AUTH_TOKEN)]
)
def test_api_and_media_need_the_accounts_login(twilio, client, dial, product, auth):
    finished(client, dial().sid)
    [recorded] = product.wait_for("/recording/")
    account = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT_SID}"

    for url in (f"{account}/Calls.json", recorded.params["RecordingUrl"] + ".wav"):
        answer = requests.get(url, auth=auth, timeout=60)
        assert answer.status_code == 401
        assert answer.json()["code"] == 20003


def test_the_account_and_its_number_can_be_read(client):
    account = client.api.accounts(ACCOUNT_SID).fetch()
    [number] = client.incoming_phone_numbers.list()

    assert account.status == "active"
    assert number.phone_number == PHONE_NUMBER
    assert number.capabilities["voice"] is True


def test_the_price_comes_after_the_end(client, dial):
    call = finished(client, dial().sid)

    until(lambda: client.calls(call.sid).fetch().price, "the price")

    assert client.calls(call.sid).fetch().price == "-0.01400"
