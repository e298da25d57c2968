import json

import pytest

from tests.sandbox.conftest import until
from tests.sandbox.test_assemblyai import call, transcribe

AUTH = {"webhook_auth_header_name": "X-Token", "webhook_auth_header_value": "secret"}


@pytest.fixture
def quick(assemblyai):
    assemblyai.control("POST", "webhooks", {"retry_seconds": 0.01})
    return assemblyai


def attempts(stand_in, job_id):
    return [
        sent
        for sent in stand_in.control("GET", "deliveries")
        if sent["params"]["transcript_id"] == job_id
    ]


def test_the_webhook_carries_id_status_and_the_given_header(quick, product):
    found = transcribe(quick, webhook_url=product.url + "/hook/?t=1", **AUTH)

    [heard] = product.wait_for("/hook/")

    assert json.loads(heard.body) == {
        "transcript_id": found["id"],
        "status": "completed",
    }
    assert heard.headers["X-Token"] == "secret"
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.url.endswith("/hook/?t=1")
    path = f"transcript/{found['id']}"
    until(lambda: call(quick, "GET", path).json()["webhook_status_code"] == 200, "200")


def test_failed_job_sends_a_webhook(quick, product):
    found = transcribe(quick, b"no audio", webhook_url=product.url + "/hook/")

    [heard] = product.wait_for("/hook/")

    assert json.loads(heard.body) == {"transcript_id": found["id"], "status": "error"}


def test_a_server_error_is_tried_again_until_a_2xx(quick, product):
    product.answers["/hook/"] = [503, 500, 301, 204]
    found = transcribe(quick, webhook_url=product.url + "/hook/")

    product.wait_for("/hook/", 4)

    until(lambda: len(attempts(quick, found["id"])) == 4, "four attempts")
    statuses = [sent["status"] for sent in attempts(quick, found["id"])]
    assert statuses == [503, 500, 301, 204]


def test_it_is_given_up_after_ten_attempts(quick, product):
    product.answers["/hook/"] = [503]
    found = transcribe(quick, webhook_url=product.url + "/hook/")

    product.wait_for("/hook/", 10)

    until(lambda: len(attempts(quick, found["id"])) == 10, "ten attempts")
    transcribe(quick)  # leave enough time for an eleventh attempt
    assert len(product.at("/hook/")) == 10


@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_any_4xx_ends_the_delivery_for_good(quick, product, status):
    product.answers["/hook/"] = [status, 200]
    found = transcribe(quick, webhook_url=product.url + "/hook/")

    product.wait_for("/hook/")

    transcribe(quick)  # leave enough time for a second attempt
    assert len(product.at("/hook/")) == 1
    path = f"transcript/{found['id']}"
    assert call(quick, "GET", path).json()["webhook_status_code"] == status


@pytest.mark.slow
def test_attempts_to_an_unreachable_webhook_are_recorded_with_an_error(quick):
    found = transcribe(quick, webhook_url="http://127.0.0.1:1/hook/")

    until(lambda: len(attempts(quick, found["id"])) == 10, "ten attempts")

    assert all(sent["error"] for sent in attempts(quick, found["id"]))
    assert all(sent["status"] is None for sent in attempts(quick, found["id"]))
