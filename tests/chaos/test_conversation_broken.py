"""A call with two phones, while its webhooks are lost and the worker is killed."""

import json

import jiwer
import pytest

from tests.chaos.house import WORD_ERROR_RATE, House, as_spoken, new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

VERIFIED_PHONE = """
from django.contrib.auth.models import User
from django.utils import timezone
from caller.models import OperatorPhone
OperatorPhone.objects.create(
    user=User.objects.get(), number="{number}", verified_at=timezone.now()
)
"""
LEASE_SECONDS, RECOVER_SECONDS = 20, 12


def connect(house: House, number: str) -> None:
    answer = house.type_address_of(number, connect="1")
    assert "/calls/" in answer.url, answer.url


def said_on(channel: str, transcript: dict) -> str:
    words = transcript["words"]
    words = json.loads(words) if isinstance(words, str) else words
    return " ".join(word["text"] for word in words if word["channel"] == channel)


def test_both_sides_are_transcribed_despite_lost_webhooks_and_a_killed_worker(
    new_house, counted
):
    house = new_house(
        LEASE_SECONDS=str(LEASE_SECONDS), RECOVER_SECONDS=str(RECOVER_SECONDS)
    )
    own, other = new_number(), new_number()
    house.manage("shell", "-c", VERIFIED_PHONE.format(number=own))
    house.twilio.webhooks("lost")
    house.assemblyai.webhooks("lost")
    house.start_web()
    worker = house.start_worker()
    hold = house.to_twilio.hold("GET .*[.]wav", of_answer=30_000)

    connect(house, other)
    until("the worker is amid the download", hold.reached.is_set)
    worker.kill()
    house.start_worker()
    transcript = house.completed(other)

    rates = {}
    for channel, number in (("1", own), ("2", other)):
        said = as_spoken(house.twilio.said_to(number))
        rates[channel] = jiwer.wer(said, as_spoken(said_on(channel, transcript)))
    counted(
        "conversation, every webhook lost, worker killed amid the download: word error "
        f"rates of the two sides {rates['1']:.2f}, {rates['2']:.2f}, "
        f"{len(house.assemblyai.jobs_of(transcript))} job"
    )
    assert max(rates.values()) <= WORD_ERROR_RATE
    assert len(house.assemblyai.jobs_of(transcript)) == 1
    assert len(house.twilio.posts_to(own)) == 1
    assert house.call(other)["status"] == "completed"
    (leg,) = house.database.rows("SELECT status, number FROM caller_leg")
    assert (leg["status"], leg["number"]) == ("completed", own)
    house.assert_no_half_file()


def test_an_end_that_no_webhook_reports_is_found_out(new_house):
    house = new_house(RECOVER_SECONDS=str(RECOVER_SECONDS))
    own = new_number()
    house.manage("shell", "-c", VERIFIED_PHONE.format(number=own))
    house.twilio.webhooks("lost")
    house.start_web()
    house.start_worker()
    busy, away = new_number(fate="0002"), new_number(fate="0003")

    for number, word in ((busy, "busy"), (away, "no-answer")):
        connect(house, number)
        until(word, lambda n=number, w=word: house.call(n)["status"] == w)
        assert house.call(number)["status"] == word
