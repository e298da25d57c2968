"""Programs dial with the same rules and limits as people. Each refusal says why."""

import pytest
import requests
from django.utils import timezone

from caller.models import Call, DoNotCall
from tests.caller.rows import CALLS, NUMBER, a_call, refusal
from tests.data import load
from tests.djtranscribe.api.programs import CALL_AND_READ, dial, program_of
from transcription.models import Vocabulary

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def program():
    return program_of("ada", CALL_AND_READ)


@pytest.fixture
def twilio(vendors):
    return vendors.post(CALLS, json=load("twilio/call"), status=201)


def test_a_program_makes_a_phone_ring(program, twilio):
    answer = dial(program)

    call = Call.objects.get()
    assert answer.status_code == 201
    assert answer.json()["uuid"] == str(call.uuid)
    assert answer.json()["status"] == "queued"
    assert call.requested_by.username == "ada"
    assert call.other_number == NUMBER
    assert twilio.call_count == 1


@pytest.mark.parametrize("by", ["name", "pk"])
def test_a_keyword_list_is_chosen_by_name_or_id(program, twilio, by):
    words = Vocabulary.objects.create(name="Cardiology")

    answer = dial(program, vocabulary=getattr(words, by))

    assert answer.json()["vocabulary"] == "Cardiology"
    assert Call.objects.get().vocabulary == words


def test_to_a_number_that_is_being_called_leads_to_that_call(program, vendors):
    first = a_call(status="ringing")

    answer = dial(program)

    assert answer.status_code == 200
    assert answer.json()["uuid"] == str(first.uuid)
    assert Call.objects.count() == 1
    assert not vendors.calls


RULES = {
    "MAX_CALLS_PER_NUMBER_DAY": (
        1,
        "for this number is reached: 1 call within 24 hours",
    ),
    "DIAL_COUNTRIES": (["GB"], "DIAL_COUNTRIES"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_forbids_it_in_words_and_the_attempt_is_kept(
    program, vendors, settings, twilio, rule
):
    dial(program)
    Call.objects.update(status="completed", ended_at=timezone.now())
    value, reason = RULES[rule]
    setattr(settings, rule, value)

    answer = dial(program)

    assert answer.status_code == 409
    assert reason in answer.json()["detail"]
    assert answer.json()["call"]["status"] == "refused"
    kept = Call.objects.get(uuid=answer.json()["call"]["uuid"])
    assert kept.error == answer.json()["detail"]
    assert len(vendors.calls) == 1


def test_number_on_the_do_not_call_list_is_not_called(program, vendors):
    DoNotCall.objects.create(number=NUMBER)

    answer = dial(program)

    assert answer.status_code == 409
    assert "do-not-call" in answer.json()["detail"]
    assert not vendors.calls


@pytest.mark.parametrize(
    ("said", "status", "state"),
    [
        (refusal(21211), 502, "failed"),
        ({"body": requests.ConnectTimeout("away")}, 502, "failed"),
        ({"body": requests.ReadTimeout("slow")}, 202, "unknown"),
    ],
    ids=["refused", "away", "silent"],
)
def test_when_twilio_fails_the_call_says_how(program, vendors, said, status, state):
    vendors.post(CALLS, **said)

    answer = dial(program)

    call = answer.json()["call"] if status == 502 else answer.json()
    assert answer.status_code == status
    assert call["status"] == state
    assert call["error"] == Call.objects.get().error != ""
    assert status == 202 or answer.json()["detail"] == call["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 5000,
        b"{" * 5000,
        b"null",
        b"{}",
        b'{"to": 14155551234}',
        b'{"to": ["+14155551234"]}',
        b'{"to": "\\u0000"}',
        b'{"to": "\\ud800"}',
        b'{"to": "+19005551234"}',
        b'{"to": "\xff"}',
        b'{"to": "+14155551234" }trailing',
        b'{"to": "' + b"1" * 5000 + b'"}',
        b'{"to": ' + b"1" * 5000 + b"}",
        b'{"to": "+14155551234", "vocabulary": true}',
        b'{"to": "+14155551234", "vocabulary": NaN}',
        b'{"to": "+14155551234", "vocabulary": 999}',
        b'{"to": "+14155551234", "vocabulary": 99999999999999999999999}',
        b'{"to": "+14155551234", "vocabulary": "nothing"}',
        b'{"to": "+14155551234", "vocabulary": "\\ud800"}',
        b'{"to": "+14155551234", "status": "completed"}',
        b'{"to": "+14155551234", "from_number": "+14155550001"}',
        b"to=%2B14155551234",
        b'{"to": "' + b"1" * 3_000_000 + b'"}',
    ],
    ids=lambda body: body[:60].decode(errors="replace"),
)
def test_invalid_body_does_not_dial(program, vendors, body):
    answer = program.post("/api/calls", body, content_type="application/json")

    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)
    assert not Call.objects.exists()
    assert not vendors.calls


def test_a_parameter_behind_the_question_mark_is_not_passed_over(program, vendors):
    body = {"to": NUMBER}

    answer = program.post("/api/calls?to=1", body, content_type="application/json")

    assert answer.status_code == 422
    assert not Call.objects.exists()


@pytest.mark.parametrize("missing", ["add_call", "view_call"])
def test_dialling_needs_permission_to_add_and_view_calls(vendors, missing):
    may = [each for each in CALL_AND_READ if each != missing]

    answer = dial(program_of("eve", may))

    assert answer.status_code == 403
    assert f"caller.{missing}" in answer.json()["detail"]
    assert not Call.objects.exists()


def test_no_number_reaches_the_log(program, twilio, caplog, capfd):
    caplog.set_level("DEBUG")
    dial(program)
    dial(program, to="+0415555123499")
    program.get("/api/calls?to=%2B14155551234")

    logged = caplog.text + "".join(capfd.readouterr())
    assert "5551234" not in logged
    assert "djt_" not in logged
