import pytest

from tests.sandbox.conftest import until
from tests.sandbox.twilio_calls import document, evidence, finished


def notes(twilio, sid):
    return "\n".join(
        f"{line['what']} [{line['error']}]"
        for line in evidence(twilio, sid)["timeline"]
    )


def test_record_without_action_asks_for_the_same_document_again_and_is_stopped(
    twilio, client, dial, product
):
    product.answers["/record/"] = ["<Response><Say>Hi</Say><Record/></Response>"]

    call = finished(client, dial().sid)

    assert len(product.at("/record/")) == 5
    assert "has no action" in notes(twilio, call.sid)
    assert "more than 5 documents" in notes(twilio, call.sid)


@pytest.mark.parametrize("verb", ["Enqueue", "say"])
def test_unknown_verb_is_reported_and_ends_the_call(
    twilio, client, dial, product, verb
):
    product.answers["/record/"] = [
        f"<Response><{verb}>x</{verb}><Redirect>/next/</Redirect></Response>"
    ]

    call = finished(client, dial().sid)

    assert evidence(twilio, call.sid)["unknown_verbs"] == [verb]
    assert f"<{verb}> is a verb that this stand-in does not know" in notes(
        twilio, call.sid
    )
    assert not product.at("/next/")


def test_the_verbs_before_record_are_obeyed_in_order(twilio, client, dial, product):
    product.answers["/record/"] = [
        "<Response><Say>One</Say><Pause length='2'/><Play>/x.mp3</Play>"
        "<Redirect method='GET'>/next/?a=1</Redirect><Say>never</Say></Response>"
    ]
    product.answers["/next/"] = ["<Response><Say>Two</Say><Hangup/></Response>"]

    call = finished(client, dial().sid)

    said = notes(twilio, call.sid)
    order = ["hears: One", "pauses 2 s", "plays a sound", "hears: Two", "<Hangup>"]
    assert sorted(order, key=said.index) == order
    assert "never" not in said
    assert product.at("/next/")[0].method == "GET"


def test_voice_that_does_not_support_the_language_says_nothing(
    twilio, client, dial, product
):
    product.answers["/record/"] = [
        "<Response>"
        "<Say language='de-DE'>Eins</Say>"
        "<Say language='cmn-CN' voice='Google.cmn-CN-Chirp3-HD-Aoede'>Zwei</Say>"
        "<Say language='fr-FR' voice='Polly.Rémi-Generative'>Drei</Say>"
        "<Say language='de'>Vier</Say>"
        "<Say language='de-DE' voice='polly.Vicki'>Fünf</Say>"
        "<Say language='fr-FR' voice='Google.de-DE-Standard-A'>Sechs</Say>"
        "</Response>"
    ]

    call = finished(client, dial().sid)

    said = notes(twilio, call.sid)
    assert all(f"hears: {word}" in said for word in ("Eins", "Zwei", "Drei"))
    assert said.count("nothing is said") == 3
    assert said.count("[12200]") == 1
    assert said.count("[13511]") == 2
    assert not any(word in said for word in ("Vier", "Fünf", "Sechs"))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (500, 11200),
        (404, 11200),
        ("not xml", 12100),
        ("<Answer/>", 12102),
    ],
)
def test_a_bad_document_ends_the_call_with_twilios_error(
    twilio, client, dial, product, answer, code
):
    product.answers["/record/"] = [answer]

    call = finished(client, dial().sid)

    assert call.status == "completed"
    assert f"[{code}]" in notes(twilio, call.sid)


def test_failed_document_requests_the_fallback_url_with_the_error(
    client, dial, product
):
    product.answers["/record/"] = [500]
    product.answers["/fallback/"] = ["<Response><Say>Sorry</Say></Response>"]

    finished(client, dial(fallback_url=product.url + "/fallback/").sid)

    [asked] = product.at("/fallback/")
    assert asked.params["ErrorCode"] == "11200"
    assert asked.params["ErrorUrl"] == product.url + "/record/?call=1"


def test_max_length_cuts_the_recording(client, dial, product):
    text = document(product).replace('maxLength="60"', 'maxLength="2"')
    product.answers["/record/"] = [text]

    finished(client, dial().sid)

    [recorded] = product.wait_for("/recording/")
    assert recorded.params["RecordingDuration"] == "2"


def test_trim_removes_the_silence_at_the_end(client, dial, product):
    text = document(product).replace('trim="do-not-trim"', "")
    product.answers["/record/"] = [text, document(product)]

    finished(client, dial().sid)
    finished(client, dial().sid)

    trimmed, whole = product.wait_for("/recording/", 2)
    seconds = [int(r.params["RecordingDuration"]) for r in (trimmed, whole)]
    assert seconds[1] - seconds[0] == 3


@pytest.mark.parametrize(
    ("say", "record", "digits"),
    [
        ("Speak after the beep.", "", ""),
        ("Speak, then press any key.", "", "#"),
        ("Speak, then press star.", 'finishOnKey="*"', "*"),
        ("Speak, then press a key.", 'finishOnKey=""', ""),
        # Neither silence nor a key ends the recording, so the person hangs up.
        ("Speak.", 'timeout="0"', "hangup"),
    ],
)
def test_action_receives_the_key_that_ended_the_recording(
    client, dial, product, say, record, digits
):
    text = document(product, say=say)
    if "timeout" in record:
        text = text.replace('timeout="3"', "")
    product.answers["/record/"] = [text.replace("<Record ", f"<Record {record} ")]

    finished(client, dial().sid)

    [action] = product.wait_for("/done/")
    assert action.params["Digits"] == digits


@pytest.mark.parametrize(
    ("gather", "digits"),
    [("", ["1"]), ('finishOnKey=""', ["1"]), ('finishOnKey="1"', [])],
)
def test_gather_requests_the_action_only_if_there_are_digits(
    twilio, client, dial, product, gather, digits
):
    product.answers["/record/"] = [
        f"<Response><Gather numDigits='1' action='/key/' {gather}>"
        "<Say>Press a key.</Say></Gather><Say>No key.</Say></Response>"
    ]
    product.answers["/key/"] = ["<Response><Hangup/></Response>"]

    call = finished(client, dial().sid)

    assert [request.params["Digits"] for request in product.at("/key/")] == digits
    assert ("hears: No key." in notes(twilio, call.sid)) == (not digits)


def test_the_events_of_a_recording_are_a_string_of_words(twilio, client, dial, product):
    events = "in-progress completed absent"
    product.answers["/record/"] = [document(product, events=events)]
    finished(client, dial().sid)
    heard = [r.params["RecordingStatus"] for r in product.wait_for("/recording/", 2)]
    assert heard == ["in-progress", "completed"]

    product.answers["/record/"] = [document(product, events="['completed', 'absent']")]
    call = finished(client, dial().sid)

    until(lambda: "is completed" in notes(twilio, call.sid), "the recording")
    assert len(product.at("/recording/")) == 2
    assert "[13621]" in notes(twilio, call.sid)


@pytest.mark.slow
def test_a_call_ended_by_the_api_keeps_what_was_said_until_then(twilio_slow, product):
    client = twilio_slow.client
    product.answers["/record/"] = [document(product)]
    call = client.calls.create(
        to="+14155551234",
        from_="+15550001111",
        url=product.url + "/record/",
    )
    until(
        lambda: "says:" in notes(twilio_slow.stand_in, call.sid), "the person to speak"
    )

    assert client.calls(call.sid).update(status="completed").status == "completed"

    [action] = product.wait_for("/done/")
    assert action.params["Digits"] == "hangup"
    [recorded] = product.wait_for("/recording/")
    assert int(recorded.params["RecordingDuration"]) < 8


def test_a_call_that_rings_can_be_cancelled(twilio_slow, product):
    client = twilio_slow.client
    call = client.calls.create(
        to="+14155550003",
        from_="+15550001111",
        url=product.url + "/record/",
        status_callback=product.url + "/status/",
    )
    until(lambda: client.calls(call.sid).fetch().status == "ringing", "ringing")

    client.calls(call.sid).update(status="canceled")

    [ended] = product.wait_for("/status/")
    assert ended.params["CallStatus"] == "canceled"
    assert client.calls(call.sid).fetch().status == "canceled"
    assert not product.at("/record/")
