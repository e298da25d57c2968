"""Calls with two phones, and incoming calls, through the whole sandbox."""

import re

import pytest
import requests

from tests.chaos.waiting import until
from tests.live.operator import Operator
from tests.live.sandbox import Sandbox, control
from tests.live.test_whole_way import word_error_rate

WORD_ERROR_RATE = 0.15
OWN = "14155552501"
TURN = re.compile(
    r'<p class="when">(?:<bdi><b>([^<]+)</b></bdi>)?.*?</p>\s*'
    r'<p class="turn-text">(.*?)</p>',
    re.S,
)


def said_by_speaker(page: str) -> dict[str, str]:
    """Return {speaker: words} of a call's page.

    A turn without a name belongs to the speaker of the turn before.
    """
    said: dict[str, list[str]] = {}
    name = ""
    for named, words in TURN.findall(page):
        name = named or name
        said.setdefault(name, []).append(re.sub(r"<[^>]+>", "", words))
    return {name: " ".join(parts) for name, parts in said.items()}


@pytest.fixture
def connected(sandbox: Sandbox, operator: Operator) -> Operator:
    """Return an operator who has verified a phone."""
    if OWN[-4:] not in operator.get("/phone/").text:
        verify(sandbox, operator, OWN)
    return operator


def verify(sandbox: Sandbox, operator: Operator, number: str) -> None:
    """Verify a phone like a person: listen to the code, and type it."""
    operator.post("/phone/", {"number": number})

    def code() -> str:
        calls = [c for c in control(sandbox.twilio, "calls") if c["to"] == f"+{number}"]
        lines = [line["what"] for call in calls for line in call["timeline"]]
        found = [re.search(r"Your code is ([0-9, ]+)\.", line) for line in lines]
        return next((f[1].replace(", ", "") for f in found if f), "")

    answer = operator.post("/phone/", {"code": until("the code", code)})
    assert "Your phone is verified" in answer.text
    until("the call is over", lambda: is_over(sandbox, f"+{number}"))


def is_over(sandbox: Sandbox, number: str) -> bool:
    calls = [c for c in control(sandbox.twilio, "calls") if c["to"] == number]
    return all(call["status"] == "completed" for call in calls)


@pytest.mark.slow
def test_both_sides_of_a_conversation_are_transcribed_apart(
    sandbox: Sandbox, connected: Operator
):
    answer = connected.post("/dial/14155552512/", {"connect": "1"})
    page = answer.url.removeprefix(connected.site)

    connected.text_of(page)

    said = said_by_speaker(connected.get(page).text)
    assert set(said) == {"operator", "+1 415-555-2512"}
    for name, number in (("operator", f"+{OWN}"), ("+1 415-555-2512", "+14155552512")):
        rate = word_error_rate(sandbox.said_to(number), said[name])
        assert rate <= WORD_ERROR_RATE, (name, said[name])
    text = connected.get(page).text
    assert "Your phone rang" in text
    assert "They hung up." in text


@pytest.mark.parametrize(
    ("number", "headline", "why"),
    [
        ("14155560002", "Busy", "The line was busy."),
        ("14155560003", "No answer", "Nobody answered."),
        ("14155560001", "Failed", "The call could not be connected."),
    ],
)
@pytest.mark.slow
def test_page_says_why_the_other_side_was_not_reached(
    connected: Operator, number: str, headline: str, why: str
):
    answer = connected.post(f"/dial/{number}/", {"connect": "1"})
    page = answer.url.removeprefix(connected.site)

    until(headline, lambda: f'id="headline">{headline}' in connected.get(page).text)

    assert why in connected.get(page).text


@pytest.mark.slow
def test_other_side_is_not_called_if_the_operators_voicemail_answers(
    sandbox: Sandbox, operator: Operator
):
    verify(sandbox, operator, "14155560008")

    answer = operator.post("/dial/14155562504/", {"connect": "1"})

    page = answer.url.removeprefix(operator.site)
    until("the end", lambda: "No key was pressed" in operator.get(page).text)
    called = {call["to"] for call in control(sandbox.twilio, "calls")}
    assert "+14155562504" not in called


@pytest.mark.slow
@pytest.mark.parametrize("number", ["+14155552503", ""])
def test_a_call_that_comes_in_is_transcribed(
    sandbox: Sandbox, operator: Operator, number: str
):
    ring = requests.post(
        f"{sandbox.twilio}/_sandbox/ring", json={"from": number}, timeout=10
    )
    assert ring.status_code == 200, ring.text
    sid = ring.json()["sid"]

    def page() -> str:
        rows = re.findall(r'href="(/calls/[0-9a-f-]+/)"', operator.get("/").text)
        return next((row for row in rows if sid in operator.get(row).text), "")

    text = operator.text_of(until("the call", page))

    call = next(c for c in control(sandbox.twilio, "calls") if c["sid"] == sid)
    assert word_error_rate(call["said"], text) <= WORD_ERROR_RATE
