"""Invalid and forged requests to webhooks: no server error, and no changed row.

Tests with the fixture `hook` run for each webhook in tests/test_every_webhook.py.
That file also tests wrong methods, and signatures for another URL or secret.
"""

import io
import json
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from caller.models import Call, Recording
from djtranscribe.models import WebhookDelivery
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import load
from tests.test_every_webhook import DECISIONS
from tests.test_every_webhook import TWILIO as BY_SIGNATURE
from transcription.models import Transcript

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
TWILIO = {
    route: decision.body
    for route, decision in DECISIONS.items()
    if decision.proof == BY_SIGNATURE
}
ASSEMBLYAI = "/webhooks/assemblyai/<uuid:uuid>/"
OURS = "11111111-2222-4333-8444-555555555555"
OTHERS = "99999999-2222-4333-8444-555555555555"


@pytest.fixture(params=[*TWILIO, ASSEMBLYAI])
def hook(request):
    """Return the URL of a webhook, and store the ringing call that it is about."""
    call = a_call(uuid=OURS, sid=CALL_SID, status="ringing")
    recording = a_recording(call=call, status="processing")
    Transcript.objects.create(
        uuid=OURS, recording=recording, status="queued", assemblyai_id="a"
    )
    if request.param == ASSEMBLYAI:
        return f"/webhooks/assemblyai/{OURS}/"
    return f"{request.param}?call={OURS}"


def body_of(hook):
    if "assemblyai" in hook:
        return load("assemblyai/webhook")
    return load(TWILIO[hook.partition("?")[0]])


def everything():
    return [
        sorted(map(str, model.objects.values_list()))
        for model in (Call, Recording, Transcript)
    ]


def signature(path, fields, token="tests-only-token"):
    url = f"https://djtranscribe.example.com{path}"
    return RequestValidator(token).compute_signature(url, fields)


def signed(path, fields, **more):
    return {
        "data": urlencode(fields),
        "content_type": FORM,
        "headers": {"X-Twilio-Signature": signature(path, fields), **more},
    }


def form(hook):
    return {"data": urlencode(body_of(hook)), "content_type": FORM}


def with_a_wrong_signature(hook):
    wrong = signature(hook, body_of(hook), token="another token")
    headers = {"X-Twilio-Signature": wrong, "X-Djtranscribe-Token": "0" * 64}
    return {**form(hook), "headers": headers}


def with_the_signature_of_an_empty_token(hook):
    headers = {"X-Twilio-Signature": signature(hook, body_of(hook), token="")}
    return {**form(hook), "headers": headers}


def with_one_more_field(hook):
    honest = signature(hook, body_of(hook))
    body = {**body_of(hook), "CallDuration": "99"}
    return {
        **form(hook),
        "data": urlencode(body),
        "headers": {"X-Twilio-Signature": honest},
    }


def with_letters_that_no_signature_has(hook):
    headers = {"X-Twilio-Signature": "ü\x7f", "X-Djtranscribe-Token": "ü\x7f"}
    return {**form(hook), "headers": headers}


def with_headers_of_a_megabyte(hook):
    long = "A" * 1_000_000
    headers = {"X-Twilio-Signature": long, "X-Djtranscribe-Token": long}
    return {**form(hook), "headers": headers}


def as_json(hook):
    text = json.dumps(body_of(hook))
    headers = {"X-Twilio-Signature": signature(hook, {})}
    return {"data": text, "content_type": "application/json", "headers": headers}


def as_broken_json(hook):
    return {"data": "{" * 500, "content_type": "application/json"}


def as_deep_json(hook):
    return {"data": "[" * 100_000, "content_type": "application/json"}


def as_binary(hook):
    headers = {"X-Twilio-Signature": signature(hook, {})}
    data = bytes(range(256)) * 40
    return {
        "data": data,
        "content_type": "application/octet-stream",
        "headers": headers,
    }


def as_a_binary_form(hook):
    headers = {"X-Twilio-Signature": signature(hook, {})}
    return {"data": bytes(range(256)) * 40, "content_type": FORM, "headers": headers}


def as_multipart(hook):
    return {"data": body_of(hook), "headers": {"X-Twilio-Signature": "x"}}


def as_broken_multipart(hook):
    return {"data": b"--x\r\nno", "content_type": "multipart/form-data; boundary=x"}


def as_multipart_without_boundary(hook):
    return {"data": b"x", "content_type": "multipart/form-data"}


def with_an_unknown_charset(hook):
    return {**form(hook), "CONTENT_TYPE": f"{FORM}; charset=klingon"}


def with_a_host_that_is_not_valid(hook):
    return {**form(hook), "headers": {"X-Twilio-Signature": "x", "Host": "["}}


def with_thousands_of_parameters(hook):
    return {**form(hook), "QUERY_STRING": "a&" * 5_000}


def with_thousands_of_fields(hook):
    data = "&".join(f"a{number}=1" for number in range(5_000))
    return {"data": data, "content_type": FORM, "headers": {"X-Twilio-Signature": "x"}}


def with_a_huge_body(hook):
    data = "CallSid=" + "A" * 5_000_000
    return {"data": data, "content_type": FORM, "headers": {"X-Twilio-Signature": "x"}}


class EndsEarly(io.BytesIO):
    def read(self, *args):
        raise ConnectionResetError

    readline = read


def with_a_body_that_ends_early(hook):
    headers = {"X-Twilio-Signature": "x"}
    return {**form(hook), "headers": headers, "wsgi.input": EndsEarly()}


def without_a_body(hook):
    return {"data": b"", "content_type": FORM}


def of_another_account(hook):
    return signed(hook, {**body_of(hook), "AccountSid": "AC" + "f" * 32})


def without_an_account(hook):
    return signed(hook, {**body_of(hook), "AccountSid": ""})


ABUSES = [
    with_the_signature_of_an_empty_token,
    with_one_more_field,
    with_letters_that_no_signature_has,
    with_headers_of_a_megabyte,
    as_json,
    as_broken_json,
    as_deep_json,
    as_binary,
    as_a_binary_form,
    as_multipart,
    as_broken_multipart,
    as_multipart_without_boundary,
    with_an_unknown_charset,
    with_a_host_that_is_not_valid,
    with_thousands_of_parameters,
    with_thousands_of_fields,
    with_a_huge_body,
    with_a_body_that_ends_early,
    without_a_body,
    of_another_account,
    without_an_account,
]


@pytest.mark.parametrize("abuse", ABUSES, ids=lambda abuse: abuse.__name__)
def test_a_request_that_is_not_authentic_changes_nothing(client, hook, abuse):
    before = everything()

    answer = client.post(hook, **abuse(hook))

    assert answer.status_code == 403
    assert WebhookDelivery.objects.get().verdict == "refused"
    assert everything() == before


@pytest.mark.parametrize("token", ["", None])
def test_webhooks_are_refused_without_a_configured_token(client, hook, settings, token):
    settings.TWILIO_AUTH_TOKEN = token
    before = everything()

    answer = client.post(hook, **with_the_signature_of_an_empty_token(hook))

    assert answer.status_code == 403
    assert everything() == before


@pytest.mark.parametrize(
    "uuid", [OTHERS, "", "garbage", "%00", "0" * 5000, "{" + OURS + "}x", "١" * 32]
)
@pytest.mark.parametrize("path", sorted(TWILIO.keys() - {"/answer/"}))
def test_a_signed_request_about_an_unknown_call_changes_nothing(client, path, uuid):
    a_call(uuid=OURS, sid=CALL_SID, status="ringing")
    before = everything()
    hook = f"{path}?{urlencode({'call': uuid})}"

    answer = client.post(hook, **signed(hook, load(TWILIO[path])))

    assert answer.status_code < 500
    assert everything() == before


@pytest.mark.parametrize("uuid", ["garbage", "0" * 36, "%00", OURS.upper() + "0"])
def test_assemblyais_address_takes_uuids_only(client, uuid):
    answer = client.post(f"/webhooks/assemblyai/{uuid}/")

    assert answer.status_code == 404


@pytest.mark.parametrize("sid", ["", "CA1", "CA" + "g" * 32, "CA" + "F" * 32, "\0"])
@pytest.mark.parametrize("path", TWILIO)
def test_a_signed_request_without_a_proper_call_sid_changes_nothing(client, path, sid):
    a_call(uuid=OURS, status="ringing")
    before = everything()
    hook = f"{path}?call={OURS}"

    answer = client.post(hook, **signed(hook, {**load(TWILIO[path]), "CallSid": sid}))

    if DECISIONS[path].answer == 200:
        assert answer.content.endswith(b"<Hangup /></Response>")
    else:
        assert answer.status_code == 404
    assert everything() == before


def test_a_refusal_says_in_the_log_what_to_look_at_and_no_secret(client, hook, caplog):
    client.post(hook, **with_a_wrong_signature(hook))

    assert "refused" in caplog.text
    assert "tests-only-token" not in caplog.text
    assert "5551234" not in caplog.text


def test_behind_a_proxy_the_signature_is_checked_over_the_public_address(client):
    call = a_call(uuid=OURS)
    hook = f"/webhooks/twilio/call/?call={call.uuid}"

    answer = client.post(
        hook, **signed(hook, load("twilio/status-callback"), Host="localhost:8000")
    )

    assert answer.status_code == 204
