"""The answers of the stand-ins match the vendors' own OpenAPI files."""

import re
from email.utils import parsedate_to_datetime

import jsonschema
import pytest
import requests

from tests.data import nullable, openapi
from tests.sandbox.conftest import ACCOUNT_SID
from tests.sandbox.test_assemblyai import call, submit, transcribe
from tests.sandbox.twilio_calls import AUTH, finished


@pytest.fixture(scope="module")
def twilio_spec():
    return nullable(openapi("twilio"))


@pytest.fixture(scope="module")
def assemblyai_spec():
    return openapi("assemblyai")


def check(spec, path, method, answer):
    schema = spec["paths"][path][method]["responses"][str(answer.status_code)]
    while "$ref" in schema:
        schema = resolved(spec, schema["$ref"])
    [media] = [
        found
        for kind, found in schema["content"].items()
        if kind == answer.headers["Content-Type"].split(";")[0]
    ]
    root = {**media["schema"], "components": spec["components"]}
    jsonschema.Draft202012Validator(root).validate(answer.json())
    return media["schema"]


def resolved(spec, ref):
    for part in ref.removeprefix("#/").split("/"):
        spec = spec[part]
    return spec


def get(twilio, path, **params):
    url = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT_SID}{path}"
    return requests.get(url, auth=AUTH, params=params, timeout=60)


ROOT = "/2010-04-01/Accounts/{AccountSid}"


def test_twilios_calls_and_recordings_have_all_keys_of_the_spec(
    twilio_spec, twilio, client, dial, product
):
    sids = [finished(client, dial().sid).sid for _ in range(2)]
    product.wait_for("/recording/", 2)
    recording = client.recordings.list(call_sid=sids[0])[0].sid
    schemas = twilio_spec["components"]["schemas"]

    one = get(twilio, f"/Calls/{sids[0]}.json")
    check(twilio_spec, ROOT + "/Calls/{Sid}.json", "get", one)
    assert set(one.json()) == set(schemas["api.v2010.account.call"]["properties"])

    page = get(twilio, "/Calls.json", PageSize=1, Page=1)
    schema = check(twilio_spec, ROOT + "/Calls.json", "get", page)
    assert set(page.json()) == set(schema["properties"])
    assert page.json()["previous_page_uri"]

    of_call = get(twilio, f"/Calls/{sids[0]}/Recordings.json")
    path = ROOT + "/Calls/{CallSid}/Recordings.json"
    check(twilio_spec, path, "get", of_call)
    properties = schemas["api.v2010.account.call.call_recording"]["properties"]
    assert set(of_call.json()["recordings"][0]) == set(properties)

    of_account = get(twilio, "/Recordings.json", CallSid=sids[0])
    check(twilio_spec, ROOT + "/Recordings.json", "get", of_account)
    properties = schemas["api.v2010.account.recording"]["properties"]
    assert set(of_account.json()["recordings"][0]) == set(properties)

    fetched = get(twilio, f"/Recordings/{recording}.json")
    check(twilio_spec, ROOT + "/Recordings/{Sid}.json", "get", fetched)
    assert parsedate_to_datetime(fetched.json()["date_created"]).tzinfo


def test_twilio_response_to_a_new_call_matches_the_specification(twilio_spec, twilio):
    url = f"{twilio.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
    form = {"To": "+14155550002", "From": "+15550001111", "Url": "http://127.0.0.1:1/"}

    answer = requests.post(url, data=form, auth=AUTH, timeout=60)

    assert answer.status_code == 201
    check(twilio_spec, ROOT + "/Calls.json", "post", answer)
    assert re.fullmatch(r"CA[0-9a-f]{32}", answer.json()["sid"])


@pytest.mark.slow
def test_assemblyai_responses_match_the_specification(assemblyai_spec, assemblyai):
    def checked(path, method, answer):
        check(assemblyai_spec, path, method, answer)
        return answer.json()

    one = "/v2/transcript/{transcript_id}"
    checked("/v2/upload", "post", call(assemblyai, "POST", "upload", data=b"no audio"))
    queued = submit(assemblyai, keyterms_prompt=["metoprolol"], speaker_labels=True)
    checked("/v2/transcript", "post", queued)
    done = transcribe(assemblyai, multichannel=True)
    failed = transcribe(assemblyai, b"no audio")
    for found in (done, failed):
        checked(one, "get", call(assemblyai, "GET", f"transcript/{found['id']}"))
    checked("/v2/transcript", "get", call(assemblyai, "GET", "transcript?limit=2"))
    checked(one, "delete", call(assemblyai, "DELETE", f"transcript/{done['id']}"))
    checked(one, "get", call(assemblyai, "GET", "transcript/unknown"))
    checked("/v2/transcript", "get", call(assemblyai, "GET", "transcript", headers={}))
    checked("/v2/transcript", "post", submit(assemblyai, word_boost=["x"]))

    keys = set(assemblyai_spec["components"]["schemas"]["Transcript"]["properties"])
    # These are in the answer only if the request asked for them.
    optional = {
        "audio_channels",
        "language_detection_options",
        "redact_pii_audio_options",
        "speech_understanding",
        "translated_texts",
    }
    assert keys - set(done) <= optional
