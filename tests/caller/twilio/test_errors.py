"""Twilio refuses, does not answer, or sends an invalid response.

The operator reads an explanation, and no phone rings twice.
"""

import pytest
import requests

from caller.models import Call
from tests.caller.conversations.rows import a_phone
from tests.caller.rows import CALL_SID, CALLS, DIAL, refusal

pytestmark = pytest.mark.django_db

REFUSED = [
    (refusal(13224), "cannot call this number"),
    (refusal(21205), "BASE_URL"),
    (refusal(21210), "TWILIO_PHONE_NUMBER"),
    (refusal(21211), "(error 21211): Twilio cannot call this number"),
    (refusal(21212), "TWILIO_PHONE_NUMBER"),
    (refusal(21214), "cannot call this number"),
    (refusal(21215), "(error 21215): This Twilio account has no permission"),
    (refusal(21216), "blocked"),
    (refusal(21217), "cannot call this number"),
    (refusal(21219), "trial account"),
    (refusal(573005), "trial account"),
    (refusal(29999), "twilio.com/docs/api/errors/29999"),
    (refusal(20003, 401), "does not accept our credentials"),
    ({"body": "", "status": 401}, "does not accept our credentials"),
    (refusal(20429, 429), "rejected this one"),
    ({"body": "<h1>Forbidden</h1>", "status": 403}, "HTTP status 403"),
    ({"body": requests.ConnectTimeout("slow")}, "nothing was sent"),
]
LOST = [
    (refusal(20500, 500), "internal error"),
    ({"body": "<h1>Bad Gateway</h1>", "status": 502}, "internal error"),
    ({"body": "", "status": 503}, "internal error"),
    ({"body": "", "status": 302}, "HTTP status 302"),
    ({"body": requests.ReadTimeout("slow")}, "did not answer in time"),
    ({"body": requests.ConnectionError("reset by peer")}, "did not answer in time"),
    ({"body": "<html>hotel login</html>", "status": 200}, "could not be understood"),
    *(
        ({"body": body, "status": 201}, "could not be understood")
        for body in (
            "[]",
            "[1]",
            "null",
            '"x"',
            "1",
            "{}",
            '{"sid": null}',
            '{"sid": 1}',
            '{"sid": "CA1"}',
            f'{{"sid": "{CALL_SID}", "date_created": 5}}',
        )
    ),
]


@pytest.mark.parametrize(("answer", "sentence"), REFUSED)
def test_a_refusal_ends_the_call_and_is_told_in_words(
    browser, vendors, answer, sentence
):
    asked = vendors.post(CALLS, **answer)

    page = browser.post(DIAL, follow=True)

    call = Call.objects.get()
    assert (call.status, call.next_check_at) == ("failed", None)
    assert sentence in call.error
    assert sentence in page.text
    assert asked.call_count == 1


@pytest.mark.parametrize("connect", ["0", "1"])
@pytest.mark.parametrize(("answer", "sentence"), LOST)
def test_a_lost_answer_leaves_the_call_open_and_is_never_sent_twice(
    browser, operator, vendors, answer, sentence, connect
):
    a_phone(operator)
    asked = vendors.post(CALLS, **answer)

    page = browser.post(DIAL, {"connect": connect}, follow=True)
    again = browser.post(DIAL)

    call = Call.objects.get()
    assert call.status == "unknown"
    assert call.next_check_at is not None
    assert sentence in page.text
    assert "do not call again yet" in page.text
    assert again["Location"] == f"/calls/{call.uuid}/"
    assert asked.call_count == 1


def test_a_refused_connection_is_known_to_have_sent_nothing(browser, settings):
    settings.TWILIO_API_URL = "http://127.0.0.1:9"  # no server listens on this port

    page = browser.post(DIAL, follow=True)

    assert Call.objects.get().status == "failed"
    assert "nothing was sent" in page.text


def test_a_refused_number_can_be_dialled_again_at_once(browser, vendors):
    asked = vendors.post(CALLS, **refusal(21211))

    browser.post(DIAL)
    browser.post(DIAL)

    assert asked.call_count == 2
    assert Call.objects.count() == 2


@pytest.mark.parametrize("answer", [REFUSED[3][0], LOST[0][0], LOST[4][0]])
def test_a_failure_logs_neither_number_nor_secret(browser, vendors, caplog, answer):
    caplog.set_level("INFO")
    vendors.post(CALLS, **answer)

    browser.post(DIAL)

    assert f"call={Call.objects.get().uuid}" in caplog.text
    assert "5551234" not in caplog.text
    assert "tests-only-token" not in caplog.text


@pytest.mark.parametrize("setting", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"])
def test_without_credentials_twilio_is_not_asked(browser, settings, setting):
    setattr(settings, setting, "")

    page = browser.post(DIAL, follow=True)

    assert Call.objects.get().status == "failed"
    assert "TWILIO_ACCOUNT_SID" in page.text
