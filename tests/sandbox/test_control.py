"""Faults, delivery modes and logs of the stand-ins. Tests in tests/chaos need them."""

import time

import pytest
import requests

from tests.sandbox.conftest import until
from tests.sandbox.test_assemblyai import HEADERS, clip, submit, transcribe
from tests.sandbox.twilio_calls import AUTH, evidence, finished


def listing(stand_in, **options):
    url = f"{stand_in.url}/v2/transcript"
    return requests.get(url, headers=HEADERS, timeout=60, **options)


def test_configured_response_is_returned_the_given_number_of_times(assemblyai):
    do = {"status": 429, "headers": {"Retry-After": "7"}, "body": {"error": "Too Many"}}
    assemblyai.break_next(do, path="^/v2/transcript$", times=2)

    answers = [listing(assemblyai) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json() == {"error": "Too Many"}


def test_a_rule_can_skip_requests_and_choose_by_method_and_path(assemblyai):
    assemblyai.break_next({"status": 503}, method="GET", path="transcript", skip=1)

    assert submit(assemblyai).status_code == 200
    assert [listing(assemblyai).status_code for _ in range(3)] == [200, 503, 200]


def test_a_rule_without_times_holds_until_it_is_deleted(assemblyai):
    assemblyai.break_next({"status": 500}, method=None, times=None)

    assert {listing(assemblyai).status_code for _ in range(4)} == {500}
    [rule] = assemblyai.control("GET", "faults")
    assert rule["hits"] == 4
    assemblyai.control("DELETE", "faults")
    assert listing(assemblyai).status_code == 200


def test_a_reset_comes_before_anything_is_handled(assemblyai):
    before = len(assemblyai.control("GET", "jobs"))
    assemblyai.break_next({"reset": True}, method="POST", path="transcript")

    with pytest.raises(requests.exceptions.ConnectionError):
        submit(assemblyai)

    assert len(assemblyai.control("GET", "jobs")) == before


def test_a_reset_can_hit_amid_an_upload(assemblyai):
    assemblyai.break_next({"reset": True}, path="upload")

    with pytest.raises(requests.exceptions.ConnectionError):
        submit(assemblyai, clip() * 50)

    assert submit(assemblyai).status_code == 200


def test_a_lost_answer_leaves_the_job_made(assemblyai):
    before = len(assemblyai.control("GET", "jobs"))
    assemblyai.break_next({"reset_after": True}, method="POST", path="transcript$")

    with pytest.raises(requests.exceptions.ConnectionError):
        submit(assemblyai)

    jobs = assemblyai.control("GET", "jobs")
    assert len(jobs) == before + 1
    [listed] = listing(assemblyai, params={"limit": 1}).json()["transcripts"]
    assert listed["audio_url"] == jobs[-1]["audio_url"]


def test_response_can_be_delayed(assemblyai):
    assemblyai.break_next({"hang_after": 0.3}, method="POST", path="transcript$")

    started = time.monotonic()
    answer = submit(assemblyai)

    assert answer.status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_hanging_request_is_never_answered(assemblyai):
    assemblyai.break_next({"hang": 0.3})

    started = time.monotonic()
    with pytest.raises(requests.exceptions.ConnectionError):
        listing(assemblyai)

    assert time.monotonic() - started >= 0.3
    [entry] = assemblyai.control("GET", "requests")
    assert entry["status"] is None
    assert entry["fault"] == {"hang": 0.3}


def test_html_comes_instead_of_json(assemblyai):
    assemblyai.break_next({"html": True})
    page = listing(assemblyai)
    assemblyai.break_next({"html": True, "status": 502})

    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<html>" in page.text
    assert listing(assemblyai).status_code == 502


def test_a_recording_can_be_cut_short(twilio, client, dial, product):
    finished(client, dial().sid)
    [recorded] = product.wait_for("/recording/")
    url = recorded.params["RecordingUrl"] + ".wav"
    twilio.break_next({"truncate": 1000}, path=r"\.wav$")

    with requests.get(url, auth=AUTH, stream=True, timeout=60) as answer:
        got: list[bytes] = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            got.extend(answer.iter_content(100))

    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) > 50_000
    assert sum(map(len, got)) == 1000


@pytest.mark.parametrize(
    "rule",
    [
        {"do": {"explode": 1}},
        {"do": {}},
        {"path": "(", "do": {"reset": True}},
        {"paths": "x", "do": {"reset": True}},
        {"path": 5, "do": {"reset": True}},
        {"method": "post", "do": {"reset": True}},
        {"times": "3", "do": {"reset": True}},
        {"times": True, "do": {"reset": True}},
        {"skip": -1, "do": {"reset": True}},
        {"do": "reset"},
        {"do": {"reset": False}},
        {"do": {"html": "<h1>"}},
        {"do": {"status": "503"}},
        {"do": {"status": 99}},
        {"do": {"status": 503, "headers": {"Retry-After": 1}}},
        {"do": {"hang": "5s"}},
        {"do": {"hang_after": -1}},
        {"do": {"hang": 1e300}},
        {"do": {"truncate": 1.5}},
        "reset",
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(assemblyai, rule):
    url = f"{assemblyai.url}/_sandbox/faults"

    answer = requests.post(url, json=[rule], timeout=60)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert assemblyai.control("GET", "faults") == []


def test_requests_are_kept_as_evidence_without_the_secret(twilio, client, dial):
    call = dial()

    [posted] = [
        entry
        for entry in twilio.control("GET", "requests")
        if entry["method"] == "POST"
    ]
    assert posted["path"].endswith("/Calls.json")
    assert posted["status"] == 201
    assert posted["headers"]["Authorization"] == "present"
    assert posted["body"]["To"] == [call.to]
    assert len(posted["body"]["StatusCallbackEvent"]) == 4
    twilio.control("DELETE", "requests")
    assert twilio.control("GET", "requests") == []


def test_request_with_another_host_name_is_refused(twilio):
    answer = requests.get(
        f"{twilio.url}/_sandbox/calls", headers={"Host": "evil.example"}, timeout=60
    )

    assert answer.status_code == 400


def statuses(product):
    return [request.params["CallStatus"] for request in product.at("/status/")]


IN_ORDER = ["initiated", "ringing", "in-progress", "completed"]


def test_callbacks_can_be_lost(twilio, client, dial, product):
    twilio.control("POST", "webhooks", {"mode": "lost", "match": "/status/"})

    finished(client, dial().sid)

    product.wait_for("/recording/")
    assert statuses(product) == []
    lost = [s for s in twilio.control("GET", "deliveries") if "/status/" in s["url"]]
    assert {sent["error"] for sent in lost} == {"lost on purpose"}


def test_callbacks_can_be_doubled(twilio, client, dial, product):
    twilio.control("POST", "webhooks", {"mode": "doubled"})

    finished(client, dial().sid)

    product.wait_for("/status/", 8)
    assert statuses(product) == [status for status in IN_ORDER for _ in range(2)]


@pytest.mark.slow
def test_callbacks_can_be_reversed(twilio, client, dial, product):
    twilio.control(
        "POST", "webhooks", {"mode": "reversed", "seconds": 3, "match": "/status/"}
    )

    finished(client, dial().sid)

    product.wait_for("/status/", 4)
    assert statuses(product) == IN_ORDER[::-1]


@pytest.mark.slow
def test_callbacks_can_be_late(twilio, client, dial, product):
    twilio.control(
        "POST", "webhooks", {"mode": "delayed", "seconds": 10, "match": "/status/"}
    )

    finished(client, dial().sid)

    assert statuses(product) == []
    product.wait_for("/status/", 4)


def test_assemblyais_webhook_can_be_lost(assemblyai, product):
    assemblyai.control("POST", "webhooks", {"mode": "lost"})

    transcribe(assemblyai, webhook_url=product.url + "/hook/")

    until(lambda: assemblyai.control("GET", "deliveries"), "the note of the loss")
    assert product.received == []


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "eaten"},
        {"match": "("},
        {"speed": 1},
        {"seconds": -1},
        {"retry_seconds": "nan"},
    ],
)
def test_a_delivery_mode_that_makes_no_sense_is_refused(twilio, body):
    answer = requests.post(f"{twilio.url}/_sandbox/webhooks", json=body, timeout=60)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("fragment", "answers", "sent"),
    [
        # By default, Twilio retries only after a failed connection, not after a 500.
        ("", [500], 1),
        ("#rc=3", [500], 1),
        ("#rc=3&rp=all", [500, 503, 200], 3),
        ("#rc=2&rp=5xx", [500], 3),
        ("#rc=2&rp=5xx", [404], 1),
        ("#rc=2&rp=4xx", [404], 3),
    ],
)
def test_twilio_tries_again_as_the_fragment_says(
    twilio, client, dial, product, fragment, answers, sent
):
    product.answers["/status/"] = answers
    url = product.url + "/status/" + fragment

    call = dial(status_callback=url, status_callback_event=["completed"])
    finished(client, call.sid)
    until(
        lambda: (
            f"callback 'completed' was answered {answers[-1]}"
            in str(evidence(twilio, call.sid)["timeline"])
        ),
        "the answer",
    )

    heard = product.at("/status/")
    assert len(heard) == sent
    tokens = [request.headers.get("I-Twilio-Idempotency-Token") for request in heard]
    assert tokens[0] is None
    assert len(set(tokens[1:])) == (1 if sent > 1 else 0)
    assert None not in tokens[1:]


def test_a_refused_connection_is_tried_once_more(twilio, client, dial):
    call = dial(
        status_callback="http://127.0.0.1:1/", status_callback_event=["completed"]
    )
    finished(client, call.sid)

    def refused():
        sent = twilio.control("GET", "deliveries")
        return [s for s in sent if s["url"] == "http://127.0.0.1:1/"]

    until(lambda: len(refused()) >= 2, "two attempts")
    assert [s["attempt"] for s in refused()] == [1, 2]
    assert all(s["status"] is None and s["error"] for s in refused())


def test_a_connection_that_broke_after_sending_is_not_tried_again(
    twilio, client, dial, assemblyai
):
    # Use AssemblyAI's stand-in as the receiver, because it can reset connections.
    assemblyai.break_next({"reset_after": True}, path="^/broken/$", times=None)
    url = f"{assemblyai.url}/broken/"

    finished(client, dial(status_callback=url, status_callback_event=None).sid)

    def sent():
        return [s for s in twilio.control("GET", "deliveries") if s["url"] == url]

    until(sent, "the attempt")
    finished(client, dial().sid)  # leave enough time for a second attempt
    assert [s["attempt"] for s in sent()] == [1]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        # Without a Location: the same URL again.
        ({}, "more than 10 redirects"),
        ({"Location": "http://["}, "invalid URL"),
        ({"Location": "ftp://x"}, "invalid URL"),
    ],
)
def test_wrong_redirect_is_in_the_list_of_deliveries(
    twilio, client, dial, assemblyai, headers, error
):
    # Use AssemblyAI's stand-in as the receiver, because it can answer with any header.
    rule = {"status": 302, "headers": headers}
    assemblyai.break_next(rule, path="^/redirect/$", times=None)
    url = f"{assemblyai.url}/redirect/"

    call = dial(status_callback=url, status_callback_event=["completed"])
    finished(client, call.sid)
    until(lambda: error in str(evidence(twilio, call.sid)), "the callback's end")

    sent = twilio.control("GET", "deliveries")
    assert [s["error"] for s in sent if s["url"] == url] == [error]
