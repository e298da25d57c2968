"""manage.py connect-number: it asks first, then sets the webhooks of our number."""

from io import StringIO
from urllib.parse import parse_qs

import pytest
from django.core.management import CommandError, call_command

from tests.caller.rows import API

pytestmark = pytest.mark.django_db

NUMBER_SID = "PN" + "0" * 31 + "1"
NUMBERS = f"{API}/IncomingPhoneNumbers.json"
NUMBER = f"{API}/IncomingPhoneNumbers/{NUMBER_SID}.json"
OURS = "https://djtranscribe.example.com/answer/#rc=3&rp=all"


@pytest.fixture
def number(vendors):
    def has(voice_url, number="+14155550100"):
        row = {"sid": NUMBER_SID, "phone_number": number, "voice_url": voice_url}
        body = {"incoming_phone_numbers": [row], "page": 0, "page_size": 50, "uri": ""}
        vendors.get(NUMBERS, json=body)
        return vendors.post(NUMBER, json=row)

    return has


def run(*options):
    out = StringIO()
    call_command("connect-number", *options, stdout=out)
    return out.getvalue()


def test_command_shows_and_applies_the_change(number, answer):
    changed = number("https://demo.twilio.com/welcome/voice/")
    answer("y")

    said = run()

    body = parse_qs(changed.calls[0].request.body)
    assert body["VoiceUrl"] == [OURS]
    assert body["StatusCallback"][0].startswith(
        "https://djtranscribe.example.com/webhooks/twilio/call/"
    )
    assert "https://demo.twilio.com/welcome/voice/" in said
    assert "reach this site now" in said


@pytest.mark.parametrize("typed", ["", "n", "what?"])
def test_anything_but_yes_changes_nothing(number, answer, typed):
    changed = number("")
    answer(typed)

    with pytest.raises(CommandError, match="Nothing was changed"):
        run()

    assert changed.call_count == 0


def test_a_number_that_leads_here_is_left_alone(number):
    changed = number(OURS)

    assert "already reach this site" in run("--yes")
    assert changed.call_count == 0


def test_a_number_of_another_account_is_refused(number):
    number("", number="+14155559999")

    with pytest.raises(CommandError, match="does not belong to this"):
        run("--yes")
