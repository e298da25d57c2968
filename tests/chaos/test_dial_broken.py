"""The web server is killed while it dials. Twilio gives strange answers, or none."""

import threading
import time
from datetime import datetime, timedelta

import pytest
import requests

from tests.chaos.house import House, new_number
from tests.chaos.waiting import is_open, until

pytestmark = pytest.mark.slow

# A call that is not in Twilio's list after this time was never placed. The same as
# LISTING_DELAY in caller.call_check.
LISTING_DELAY = timedelta(minutes=2)
# How long we wait for an answer, see TIMEOUT_SECONDS in caller.twilio.connection.
WAITED_SECONDS = 15
LONGER_THAN_WE_WAIT = 20


def dial_and_be_cut_off(house: House, number: str) -> threading.Thread:
    def dial() -> None:
        try:
            house.dial(number)
        except requests.RequestException:
            return

    thread = threading.Thread(target=dial, daemon=True)
    thread.start()
    return thread


def let_time_pass(house: House, number: str, by: timedelta) -> None:
    """Subtract `by` from the creation time of this call."""
    (row,) = house.database.rows(
        "SELECT created_at FROM caller_call WHERE other_number = %s", number
    )
    earlier = row["created_at"]
    if isinstance(earlier, str):
        earlier = datetime.fromisoformat(earlier).replace(tzinfo=None)
    earlier = earlier - by
    house.database.execute(
        "UPDATE caller_call SET created_at = %s WHERE other_number = %s",
        str(earlier),
        number,
    )


def ended_as(house: House, number: str, status: str) -> bool:
    call = house.twilio.call_to(number)
    return bool(call) and call["status"] == status


def was_lost(house: House, number: str, **status: str) -> bool:
    """Return whether the webhook with this status was lost on purpose.

    Example: was_lost(house, number, RecordingStatus="completed")
    """
    wanted = {"CallSid": house.twilio.call_to(number)["sid"], **status}
    return any(
        one["error"] == "lost on purpose" and wanted.items() <= one["params"].items()
        for one in house.twilio.deliveries()
    )


def settled(house: House, number: str) -> dict:
    words = ("completed", "busy", "no-answer", "failed")
    return until(
        f"the call to {number} is settled",
        lambda: (call := house.call(number))["status"] in words and call,
    )


def test_a_web_server_killed_while_it_dials_places_one_call_or_none(new_house, counted):
    house = new_house(RECOVER_SECONDS="9")
    web = house.start_web()
    never, listed, told, spoken = numbers = [
        new_number(),
        new_number(fate="0002"),
        new_number(fate="0003"),
        new_number(),
    ]
    # Twilio never receives the first request.
    hold = house.to_twilio.hold("POST .*/Calls.json", of_request=0)
    threads = [dial_and_be_cut_off(house, never)]
    until("the first request left", hold.reached.is_set)
    # Twilio receives the next three requests and places the calls. We learn of each
    # call in a different way. All this must take less than WAITED_SECONDS.
    for webhooks, ends in (
        ("lost", {listed: "busy", spoken: "completed"}),
        ("held", {told: "no-answer"}),
    ):
        house.twilio.webhooks(webhooks)
        holds = [house.to_twilio.hold("POST .*/Calls.json") for _ in ends]
        threads += [dial_and_be_cut_off(house, number) for number in ends]
        until("Twilio placed them", lambda h=holds: all(e.reached.is_set() for e in h))
        for number, end in ends.items():
            until("it ended", lambda n=number, e=end: ended_as(house, n, e))
            if webhooks == "lost":
                until(
                    "it is lost",
                    lambda n=number, e=end: was_lost(house, n, CallStatus=e),
                )
        if webhooks == "lost":
            until(
                "the webhook of its recording is lost",
                lambda: was_lost(house, spoken, RecordingStatus="completed"),
            )
    waiting = {number: house.call(number) for number in (never, listed, told)}
    assert {row["sid"] for row in waiting.values()} == {None}
    assert {row["status"] for row in waiting.values()} == {"dialing"}
    # The person picked up, so Twilio requested TwiML. This request contains the SID.
    assert house.call(spoken)["sid"] == house.twilio.call_to(spoken)["sid"]

    web.kill()
    until("nothing listens", lambda: not is_open(house.port))
    house.start_web()
    for thread in threads:
        thread.join()

    # While the outcome is unknown, a second click does not dial again.
    pages = {number: house.dial(number) for number in (never, listed)}

    # No worker runs, so only the late webhook can report how the call ended.
    def is_told() -> bool:
        house.twilio.release()
        return house.call(told)["status"] == "no-answer"

    until("a late webhook tells", is_told)
    # Start the worker only now. If it had learned earlier how the calls ended, the
    # `house.dial` above would have dialled the numbers again.
    house.start_worker()
    for number, status in (
        (listed, "busy"),
        (told, "no-answer"),
        (spoken, "completed"),
    ):
        call = settled(house, number)
        assert (call["status"], call["sid"]) == (
            status,
            house.twilio.call_to(number)["sid"],
        )
    assert house.call(never)["status"] == "dialing", "not given up before two minutes"
    house.completed(spoken)
    house.assert_right(spoken)
    let_time_pass(house, never, LISTING_DELAY)
    assert settled(house, never)["status"] == "failed"
    words = house.page(pages[never])
    assert "nothing was dialled" in words, words

    posts = [len(house.twilio.posts_to(number)) for number in numbers]
    counted(
        "web server killed while it dialled: before the request left, "
        f"{posts[0]} calls; after Twilio received it, {posts[1:]} calls, found by the "
        "list, by a late webhook, by the request for TwiML"
    )
    assert posts == [0, 1, 1, 1]


def test_no_twilio_failure_while_dialling_causes_a_second_call(new_house, counted):
    house = new_house(RECOVER_SECONDS="9")
    house.start_web()
    house.start_worker()
    twilio = house.twilio
    post = "POST /Calls.json$"
    pages, numbers, took = {}, {}, {}

    def dial(kind: str, number: str | None = None) -> None:
        numbers[kind] = number or new_number()
        began = time.monotonic()
        pages[kind] = house.dial(numbers[kind])
        took[kind] = time.monotonic() - began

    # Two requests get no answer in time. Twilio places only the first call.
    silent = []
    for kind, number in (("placed", new_number(fate="0009")), ("silence", None)):
        if kind == "silence":
            twilio.fault(post, hang=LONGER_THAN_WE_WAIT)
        silent.append(threading.Thread(target=dial, args=[kind, number]))
        silent[-1].start()
        until(
            f"{kind} is under way",
            lambda: len(twilio.requests(post)) == len(silent),
        )
    for kind, do in {
        "500": {"status": 500, "body": {"message": "oops"}},
        "429": {"status": 429, "headers": {"Retry-After": "1"}},
        "html": {"html": True},
        "reset": {"reset": True},
        "answer cut": {"reset_after": True},
        "503": {"status": 503},
    }.items():
        twilio.fault(post, **do)
        dial(kind)
    # Wait until the two unanswered requests time out. `unplug` would break them.
    for thread in silent:
        thread.join()
    house.to_twilio.unplug()
    dial("refused")
    house.to_twilio.plug_in()

    words = {kind: house.page(page) for kind, page in pages.items()}
    assert all(took[kind] >= WAITED_SECONDS for kind in ("placed", "silence")), took
    doubtful = ("silence", "500", "503", "html", "reset")
    # Check this first: after LISTING_DELAY, the worker settles them.
    assert {house.call(numbers[kind])["status"] for kind in doubtful} == {"unknown"}
    placed = {"placed", "answer cut"}
    for kind in placed:
        house.completed(numbers[kind])
    house.assert_right(*(numbers[kind] for kind in placed))
    said = {
        "silence": "did not answer in time",
        "429": "busy with our earlier requests and rejected this one",
        "refused": "could not be reached; nothing was sent",
        "500": "Twilio answered with an internal error",
        "503": "Twilio answered with an internal error",
        "html": "could not be understood",
        "reset": "did not answer in time",
    }
    for kind, text in said.items():
        assert text in words[kind], (kind, words[kind])
    for kind in doubtful:
        let_time_pass(house, numbers[kind], LISTING_DELAY)
    for kind in doubtful:
        assert settled(house, numbers[kind])["status"] == "failed"
        assert "nothing was dialled" in house.page(pages[kind])
    # All these calls were certainly not placed, so the numbers may be dialled again.
    for kind in said:
        house.dial(numbers[kind])
    for kind in said:
        house.completed(numbers[kind])

    calls = {}
    for kind, number in numbers.items():
        everything = twilio.control("GET", "calls")
        calls[kind] = sum(call["to"] == number for call in everything)
    counted(
        f"Twilio answered {', '.join(calls)}: calls placed {[*calls.values()]}; "
        f"silent, it was waited for {took['placed']:.1f} and {took['silence']:.1f} s"
    )
    assert set(calls.values()) == {1}
