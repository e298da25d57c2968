"""`manage.py dial`, the command for scripts: it has the same rules as the page."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from caller.models import Call, DoNotCall
from tests.caller.rows import CALL_SID, CALLS, NUMBER, a_call, refusal
from tests.data import load

pytestmark = pytest.mark.django_db


@pytest.fixture
def twilio_answers(vendors):
    return vendors.post(CALLS, json=load("twilio/call"), status=201)


def dial(*arguments):
    """Run the command. Return what it wrote to stdout and to stderr."""
    out, err = StringIO(), StringIO()
    call_command("dial", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def by_ada(number=NUMBER):
    return dial(number, "--operator", "ada")


def test_it_dials_for_a_named_operator_and_prints_the_address_of_the_page(
    operator, twilio_answers
):
    out, err = by_ada("14155551234")

    call = Call.objects.get()
    assert (call.other_number, call.sid, call.status) == (NUMBER, CALL_SID, "queued")
    assert call.requested_by == operator
    assert out == f"https://djtranscribe.example.com/calls/{call.uuid}/\n"
    assert err == ""
    assert twilio_answers.call_count == 1


def test_a_number_may_be_written_as_on_the_page(operator, twilio_answers):
    by_ada("+1 415-555-1234")

    assert Call.objects.get().other_number == NUMBER


def test_the_operator_must_be_named():
    with pytest.raises(CommandError, match="--operator"):
        dial(NUMBER)


@pytest.mark.parametrize("name", ["nobody", "", "ADA", "' OR 1=1 --"])
def test_somebody_unknown_may_not_dial(operator, vendors, name):
    with pytest.raises(CommandError, match="There is no active account"):
        dial(NUMBER, "--operator", name)

    assert not Call.objects.exists()
    assert len(vendors.calls) == 0


def test_operator_without_dial_permission_cannot_dial(operator, vendors):
    operator.user_permissions.remove(
        *operator.user_permissions.filter(codename="add_call")
    )

    with pytest.raises(CommandError, match="There is no active account ada"):
        by_ada()

    assert len(vendors.calls) == 0


def test_inactive_operator_cannot_dial(operator, vendors):
    User.objects.update(is_active=False)

    with pytest.raises(CommandError, match="There is no active account ada"):
        by_ada()

    assert len(vendors.calls) == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("abc", "digits only"),
        ("19002345678", "premium"),
    ],
)
def test_invalid_number_is_explained(operator, vendors, number, words):
    with pytest.raises(CommandError, match=words):
        by_ada(number)

    assert not Call.objects.exists()
    assert len(vendors.calls) == 0


def test_the_rules_of_the_page_hold_here_and_the_attempt_is_kept(operator, vendors):
    DoNotCall.objects.create(number=NUMBER)

    with pytest.raises(CommandError, match="do-not-call list"):
        by_ada()

    call = Call.objects.get(status="refused")
    assert "do-not-call list" in call.error
    assert call.requested_by == operator
    assert len(vendors.calls) == 0


def test_a_number_that_rings_already_is_not_dialled_twice(operator, vendors):
    call = a_call(status="ringing")

    out, err = by_ada()

    assert out == f"https://djtranscribe.example.com/calls/{call.uuid}/\n"
    assert err == "This number is being called already.\n"
    assert Call.objects.count() == 1
    assert len(vendors.calls) == 0


def test_a_call_that_has_ended_already_is_no_error(operator, vendors):
    vendors.post(CALLS, json=load("twilio/call", status="busy"), status=201)

    out, err = by_ada()

    call = Call.objects.get()
    assert call.status == "busy"
    assert (str(call.uuid) in out, err) == (True, "")


def test_refusal_by_twilio_is_explained(operator, vendors):
    vendors.post(CALLS, **refusal(21211))

    with pytest.raises(CommandError, match="Twilio refused \\(error 21211\\)"):
        by_ada()

    assert Call.objects.get().status == "failed"


def test_an_answer_that_was_lost_leads_to_the_page_that_finds_out(operator, vendors):
    vendors.post(CALLS, status=500)

    out, _ = by_ada()

    call = Call.objects.get()
    assert call.status == "unknown"
    assert str(call.uuid) in out


def test_neither_number_nor_secret_is_logged(operator, twilio_answers, caplog):
    caplog.set_level("INFO")

    by_ada()

    assert "dial=placed" in caplog.text
    assert "5551234" not in caplog.text
    assert "tests-only-token" not in caplog.text
