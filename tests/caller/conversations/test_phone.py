"""Verification of an operator's own phone, with a code that is said in a call."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from caller.models import Call, DoNotCall, OperatorPhone
from tests.caller.conversations.rows import OWN_NUMBER, a_phone, path
from tests.caller.rows import CALLS, refusal
from tests.data import load

pytestmark = pytest.mark.django_db

SHOWN = "+1 415-555-0199"


@pytest.fixture
def asked(browser, vendors):
    """Return the call that says the code, and the request that placed this call."""
    placed = vendors.post(CALLS, json=load("twilio/call"), status=201)
    browser.post("/phone/", {"number": OWN_NUMBER})
    return Call.objects.get(), placed


def code_said(call, signed_post):
    answer = signed_post(path(call, "code/"), load("twilio/twiml-request"))
    said = re.search(r"Your code is ([0-9, ]+)\.", answer.content.decode())
    return said[1].replace(", ", "")


def enter(browser, code):
    answer = browser.post("/phone/", {"code": code}, follow=True)
    return answer.content.decode()


def test_the_code_that_the_call_says_verifies_the_phone(
    browser, operator, asked, signed_post
):
    call, placed = asked
    assert "code%2F%3Fcall" in placed.calls[0].request.body
    assert (call.other_number, call.requested_by) == (OWN_NUMBER, operator)
    assert OperatorPhone.verified_phone_of(operator) is None

    page = enter(browser, code_said(call, signed_post))

    assert "Your phone is verified" in page
    assert OperatorPhone.verified_phone_of(operator).number == OWN_NUMBER
    Call.objects.update(status="completed")
    assert "Code spoken" in browser.get("/").content.decode()


def test_right_code_is_refused_after_five_wrong_codes(
    browser, operator, asked, signed_post
):
    code = code_said(asked[0], signed_post)
    wrong = f"{(int(code) + 1) % 10**6:06}"

    pages = [enter(browser, wrong) for _ in range(5)]
    pages.append(enter(browser, code))

    assert ["The code is wrong" in page for page in pages] == [True] * 4 + [False] * 2
    assert "too many wrong codes were typed" in pages[-1]
    assert OperatorPhone.verified_phone_of(operator) is None


def test_asking_again_during_the_call_gives_no_more_tries(
    browser, operator, asked, signed_post
):
    code = code_said(asked[0], signed_post)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(5):
        enter(browser, wrong)

    again = browser.post("/phone/", {"number": OWN_NUMBER})
    enter(browser, code)

    assert again.status_code == 400
    assert "This number is being called already." in again.text
    assert OperatorPhone.verified_phone_of(operator) is None


def test_a_code_is_good_for_ten_minutes(browser, operator, asked, signed_post):
    code = code_said(asked[0], signed_post)
    long_ago = timezone.now() - timedelta(minutes=11)
    Call.objects.update(created_at=long_ago)

    page = enter(browser, code)

    assert f"{SHOWN}</strong> is not verified" in page
    assert "The code has expired" in page
    assert OperatorPhone.verified_phone_of(operator) is None


@pytest.mark.parametrize(
    ("status", "said", "takes_code"),
    [
        ("ringing", "We are calling", True),
        ("completed", "We have called", True),
        ("busy", "The line was busy.", False),
        ("no-answer", "Nobody answered.", False),
    ],
)
def test_the_page_says_how_the_call_with_the_code_ended(
    browser, asked, status, said, takes_code
):
    Call.objects.update(status=status)

    page = browser.get("/phone/").text

    assert said in page
    assert ('name="code"' in page) == takes_code
    assert (f'value="{SHOWN}"' in page) == (status != "ringing")
    assert ("Call again</button>" in page) == (status != "ringing")


@pytest.mark.parametrize("code", ["", "000000", "٠" * 6, "9" * 5000, "<b>"])
def test_invalid_code_is_refused(browser, operator, asked, code):
    enter(browser, code)

    assert OperatorPhone.verified_phone_of(operator) is None


def test_the_code_of_another_account_verifies_nothing(
    client, operator, asked, signed_post
):
    code = code_said(asked[0], signed_post)
    other = User.objects.create_superuser("eve", password="secret")
    client.force_login(other)

    enter(client, code)

    assert not OperatorPhone.objects.exclude(verified_at=None).exists()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("911", "7 to 15 digits"),
        ("+4930901820", "not allowed here"),
        (OWN_NUMBER, "do-not-call list"),
    ],
)
def test_dialling_rules_apply_to_the_verification_call(
    browser, settings, number, reason
):
    settings.DIAL_COUNTRIES = ["US"]
    DoNotCall.objects.create(number=OWN_NUMBER)

    answer = browser.post("/phone/", {"number": number})

    assert answer.status_code == 400
    assert reason in answer.content.decode()
    assert not OperatorPhone.objects.exists()


def test_dialling_limits_apply_to_the_verification_call(browser, asked, settings):
    settings.MAX_CALLS_PER_NUMBER_DAY = 1
    Call.objects.update(status="completed")

    answer = browser.post("/phone/", {"number": OWN_NUMBER})

    assert "for this number is reached: 1 call within" in answer.content.decode()


def test_a_number_that_twilio_refuses_leaves_the_verified_one_as_it_is(
    browser, operator, vendors
):
    a_phone(operator)
    vendors.post(CALLS, **refusal(21211))

    answer = browser.post("/phone/", {"number": "+14155550177"})

    assert answer.status_code == 400
    assert "Twilio refused (error 21211): Twilio cannot call this" in answer.text
    assert OperatorPhone.verified_phone_of(operator).number == OWN_NUMBER


def test_a_verified_phone_can_be_removed(browser, operator):
    a_phone(operator)

    browser.post("/phone/", {"forget": "1"})

    assert OperatorPhone.verified_phone_of(operator) is None


def test_no_page_shows_the_code(browser, asked, signed_post):
    code = code_said(asked[0], signed_post)

    for page in ("/phone/", asked[0].get_absolute_url(), "/"):
        assert code not in browser.get(page).content.decode()
