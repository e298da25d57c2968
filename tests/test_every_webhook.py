"""Every webhook, found in the URL map.

A new webhook fails here until somebody has decided how it authenticates the sender, and
what it stores. Forged requests are in tests/djtranscribe/webhooks/test_abuse.py.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from django.conf import settings as django_settings
from django.test import Client
from twilio.request_validator import RequestValidator

from caller.models import Call, Leg, Recording
from djtranscribe.models import WebhookDelivery
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import load
from tests.security.url_map import (
    addresses,
    is_api,
    is_csrf_exempt,
    is_open,
    is_webhook,
)
from transcription.models import Transcript

pytestmark = pytest.mark.django_db

UUID = "11111111-2222-4333-8444-555555555555"
FORM = "application/x-www-form-urlencoded"
TWILIO, ASSEMBLYAI = "Twilio's signature", "the token of its own transcript"


@dataclass(frozen=True)
class Decision:
    kind: str  # WebhookDelivery.kind
    proof: str
    body: str
    answer: int
    methods: tuple[str, ...] = ("POST",)


DECISIONS = {
    "/record/": Decision("twilio-record", TWILIO, "twilio/twiml-request", 200),
    "/record/done/": Decision(
        "twilio-record-done", TWILIO, "twilio/record-action", 200
    ),
    "/code/": Decision("twilio-code", TWILIO, "twilio/twiml-request", 200),
    "/answer/": Decision("twilio-answer", TWILIO, "twilio/inbound", 200),
    "/bridge/": Decision("twilio-bridge", TWILIO, "twilio/twiml-request", 200),
    "/bridge/accept/": Decision("twilio-accept", TWILIO, "twilio/gather-action", 200),
    "/bridge/notice/": Decision(
        "twilio-bridge-notice", TWILIO, "twilio/number-request", 200
    ),
    "/bridge/done/": Decision("twilio-bridge-done", TWILIO, "twilio/dial-action", 200),
    "/webhooks/twilio/machine/": Decision(
        "twilio-machine", TWILIO, "twilio/machine", 204
    ),
    "/webhooks/twilio/call/": Decision(
        "twilio-call", TWILIO, "twilio/status-callback", 204
    ),
    "/webhooks/twilio/recording/": Decision(
        "twilio-recording", TWILIO, "twilio/recording-callback", 204
    ),
    "/webhooks/assemblyai/<uuid:uuid>/": Decision(
        "assemblyai", ASSEMBLYAI, "assemblyai/webhook", 204
    ),
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"]
# Routes that need no login and are not webhooks.
OPEN_PAGES = {
    "/password-reset/",
    "/password-reset/<str:uidb64>/<str:token>/",
    "/healthz",
    "/metrics",
    "/admin/login/",
}


def test_every_webhook_has_a_decision():
    found = {
        route for route, view in addresses() if is_webhook(view) and not is_api(route)
    }

    assert found == DECISIONS.keys()


def test_other_routes_require_login_and_csrf():
    for route, view in addresses():
        if route not in DECISIONS and not is_api(route):
            assert not is_csrf_exempt(view), route
            assert not is_open(view) or route in OPEN_PAGES, route


def test_every_route_with_a_webhook_prefix_is_a_webhook():
    for route, view in addresses():
        begins = ("/webhooks/", "/record", "/bridge/", "/code/", "/answer/")
        if route.startswith(begins) and "audio" not in route:
            assert is_webhook(view), route


def test_the_path_of_every_webhook_is_one_of_webhook_paths():
    for route, view in addresses():
        if is_webhook(view) and not is_api(route):
            assert route.startswith(django_settings.WEBHOOK_PATHS), route


@pytest.fixture(params=DECISIONS)
def hook(request):
    """Return a `Hook` about a ringing call that this fixture has stored."""
    is_bridge = request.param.startswith("/bridge/")
    kind = {"/code/": "code"}.get(request.param, "conversation" * is_bridge)
    call = a_call(uuid=UUID, sid=CALL_SID, status="ringing", kind=kind or "message")
    if is_bridge:
        Leg.objects.create(call=call, number="+14155550199", status="in-progress")
    recording = a_recording(call=call, status="processing")
    transcript = Transcript.objects.create(
        uuid=UUID, recording=recording, status="queued", assemblyai_id="a"
    )
    return Hook(request.param, DECISIONS[request.param], transcript.webhook_token())


class Hook:
    def __init__(self, route, decision, token):
        self.decision, self.token = decision, token
        self.fields = load(decision.body)
        self.path = route.replace("<uuid:uuid>", UUID)
        if decision.proof == TWILIO:
            self.path += f"?call={UUID}"

    def proof(self, secret=None):
        if self.decision.proof == ASSEMBLYAI:
            return {"X-Djtranscribe-Token": secret or self.token}
        token = secret or django_settings.TWILIO_AUTH_TOKEN
        url = f"https://djtranscribe.example.com{self.path}"
        signature = RequestValidator(token).compute_signature(url, self.fields)
        return {"X-Twilio-Signature": signature}

    def send(self, client, method="POST", **headers):
        return client.generic(
            method,
            self.path,
            urlencode(self.fields),
            content_type=FORM,
            headers=headers,
        )


def everything():
    return [
        sorted(map(str, model.objects.values_list()))
        for model in (Call, Leg, Recording, Transcript)
    ]


def test_an_honest_request_needs_no_session_and_no_csrf_token(hook):
    strict = Client(enforce_csrf_checks=True)

    answer = hook.send(strict, **hook.proof(), Origin="https://api.twilio.com")

    assert answer.status_code == hook.decision.answer
    assert "sessionid" not in answer.cookies
    assert "csrftoken" not in answer.cookies


def test_authentic_request_is_recorded_as_a_delivery(hook, client):
    hook.send(client, **hook.proof())

    delivery = WebhookDelivery.objects.get()
    assert delivery.kind == hook.decision.kind
    assert (delivery.verdict, delivery.about) == ("accepted", UUID)
    assert delivery.answer_status == hook.decision.answer


@pytest.mark.parametrize("method", METHODS)
def test_only_listed_methods_are_accepted(hook, client, method):
    before = everything()

    answer = hook.send(client, method, **hook.proof())

    if method in hook.decision.methods:
        assert answer.status_code == hook.decision.answer
    else:
        assert answer.status_code == 405
        assert answer["Allow"] == ", ".join(hook.decision.methods)
        assert everything() == before


@pytest.mark.parametrize("signed_in", [False, True])
def test_unsigned_request_is_refused_recorded_and_changes_nothing(
    hook, client, admin_user, signed_in
):
    if signed_in:
        # A login on our site does not prove that the request comes from Twilio.
        client.force_login(admin_user)
    before = everything()

    answer = hook.send(client)

    assert answer.status_code == 403
    assert everything() == before
    delivery = WebhookDelivery.objects.get()
    assert (delivery.kind, delivery.verdict) == (hook.decision.kind, "refused")
    assert delivery.body is None
    assert delivery.reason


@pytest.mark.parametrize("secret", ["another", "0" * 64, "tests-only"])
def test_signature_with_another_secret_is_refused(hook, client, secret):
    before = everything()

    answer = hook.send(client, **hook.proof(secret))

    assert answer.status_code == 403
    assert everything() == before


def test_signature_for_one_url_is_refused_for_another(hook, client):
    proof = hook.proof()
    before = everything()

    for route, decision in DECISIONS.items():
        other = Hook(route, decision, "")
        if other.decision != hook.decision:
            assert other.send(client, **proof).status_code == 403, route

    assert everything() == before


def test_a_missing_field_is_no_server_error(hook, client):
    complete = hook.fields
    bodies = [{**complete, "ParentCallSid": CALL_SID}, complete]

    for body in bodies:
        for name in body:
            hook.fields = {key: body[key] for key in body if key != name}
            answer = hook.send(client, **hook.proof())
            assert answer.status_code < 500, name


def test_no_answer_may_be_kept_by_a_cache(hook, client):
    for headers in (hook.proof(), {}):
        answer = hook.send(client, **headers)
        assert "no-store" in answer["Cache-Control"]


def test_repeated_request_leaves_the_same_rows_as_one(hook, client):
    hook.send(client, **hook.proof())
    once = without_times(everything())

    for _ in range(9):
        answer = hook.send(client, **hook.proof())
        assert answer.status_code == hook.decision.answer

    assert without_times(everything()) == once


def without_times(rows):
    """Replace all times: the time of the next check may change, but nothing else."""
    moment = re.compile(r"datetime\.datetime\(.*?tzinfo=[^)]*\)+")
    return [[moment.sub("<time>", row) for row in table] for table in rows]
