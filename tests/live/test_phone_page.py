"""The phone in the browser: it rings, somebody answers, and their voice is transcribed.

The microphone of these tests plays a clip.
"""

import re
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.twilio.audio import CLIPS, said
from tests.live.browser import chromium, in_chromium, keep, sign_in
from tests.live.sandbox import Sandbox
from tests.live.test_conversations import said_by_speaker
from tests.live.test_whole_way import word_error_rate

pytestmark = in_chromium

SPOKEN, OTHERS = "02-blood-pressure", "05-bridge"
WORD_ERROR_RATE = 0.15
# Goal: the time from the end of the call to the words on the page. The time depends on
# the machine, so the test only prints the time.
SECONDS = 5


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    clip = f"{CLIPS / SPOKEN}.wav%noloop"
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={clip}",
    ) as browser:
        yield browser


@contextmanager
def phone_page(sandbox: Sandbox, page: Page) -> Iterator[Page]:
    """Open the phone page of Twilio's stand-in in its own window."""
    phone = page.context.new_page()
    phone.goto(f"{sandbox.twilio.replace('127.0.0.1', 'localhost')}/phone/")
    expect(phone.get_by_text("No phone is ringing")).to_be_visible()
    yield phone
    phone.close()


@pytest.fixture
def phone(lifelike: Sandbox, page: Page) -> Iterator[Page]:
    with phone_page(lifelike, page) as phone:
        yield phone


def seconds_of(clip: str) -> float:
    with wave.open(str(CLIPS / f"{clip}.wav")) as file:
        return file.getnframes() / file.getframerate()


def text_of(page: Page) -> str:
    return " ".join(page.locator(".turn-text").all_inner_texts())


def dial(sandbox: Sandbox, page: Page) -> None:
    page.goto(f"{sandbox.site}/")
    sign_in(page)
    page.get_by_label("Number to call").fill("+1 415 555 2701")
    page.get_by_role("button", name="Call", exact=True).click()
    page.wait_for_url("**/calls/**")


@pytest.fixture
def dialled(lifelike: Sandbox, page: Page, phone: Page) -> Page:
    dial(lifelike, page)
    return page


def test_phone_plays_a_clip_and_a_key_ends_the_recording(dialled: Page, phone: Page):
    card = phone.locator(".phone")
    card.get_by_role("button", name="Answer").click()
    expect(card.get_by_text("speak now")).to_be_visible(timeout=20_000)
    card.locator("select").select_option(OTHERS)
    card.get_by_role("button", name="Say it").click()
    time.sleep(seconds_of(OTHERS) + 0.5)
    card.get_by_role("button", name="#").click()

    # The text is there only for a second, so look at it in each frame.
    phone.wait_for_function(
        "text => document.querySelector('.heard')?.textContent.includes(text)",
        arg="Thank you. Goodbye.",
    )
    expect(phone.get_by_text("No phone is ringing")).to_be_visible(timeout=20_000)


@pytest.mark.real_time
def test_what_somebody_says_into_the_microphone_is_on_the_page(
    dialled: Page, phone: Page
):
    card = phone.locator(".phone")
    expect(card.get_by_text("is ringing")).to_be_visible()
    keep(phone, "phone-ringing")
    card.get_by_role("button", name="Answer").click()
    expect(card.locator(".heard")).to_contain_text("This call is recorded")
    expect(card.get_by_text("speak now")).to_be_visible(timeout=20_000)
    time.sleep(seconds_of(SPOKEN) + 0.5)
    card.get_by_role("button", name="Hang up").click()
    hung_up = time.monotonic()

    expect(dialled.locator(".turn-text").first).to_be_visible(timeout=20_000)
    took = time.monotonic() - hung_up

    text = text_of(dialled)
    assert word_error_rate(said(SPOKEN), text) <= WORD_ERROR_RATE, text
    print(f"\nWords on the page {took:.1f} s after hanging up (goal: {SECONDS} s).")


@pytest.mark.parametrize(
    ("button", "headline"), [("Decline", "Busy"), ("Let it ring", "No answer")]
)
def test_unanswered_phone_shows_busy_or_no_answer(
    sandbox: Sandbox, page: Page, button: str, headline: str
):
    with phone_page(sandbox, page) as phone:
        dial(sandbox, page)
        phone.locator(".phone").get_by_role("button", name=button).click()

        expect(page.locator("#headline")).to_have_text(headline, timeout=15_000)


@pytest.mark.real_time
def test_two_phones_on_one_page_are_a_conversation(
    lifelike: Sandbox, page: Page, phone: Page
):
    """The called person speaks into the microphone, and the operator plays a clip."""
    page.goto(f"{lifelike.site}/phone/")
    sign_in(page)
    page.get_by_label("Number of your phone").fill("+1 415 555 2702")
    page.get_by_role("button", name="Call me with a code").click()
    phone.get_by_role("button", name="Answer").click()
    spoken = phone.locator(".heard li", has_text="Your code is").first
    code = re.sub(r"\D", "", spoken.inner_text(timeout=10_000))
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("Your phone is verified")).to_be_visible()
    phone.get_by_role("button", name="Hang up").click()
    page.goto(f"{lifelike.site}/")
    page.get_by_label("Number to call").fill("+1 415 555 2703")
    page.get_by_role("button", name="Connect me").click()
    page.wait_for_url("**/calls/**")
    own = phone.locator(".phone", has_text="+14155552702")
    other = phone.locator(".phone", has_text="+14155552703")

    own.get_by_role("button", name="Answer").click()
    expect(own.get_by_text("press a key")).to_be_visible(timeout=30_000)
    own.get_by_role("button", name="#").click()
    other.get_by_role("button", name="Answer").click(timeout=30_000)
    other.get_by_label("Speak with the microphone").check()
    expect(other.get_by_text("speak now")).to_be_visible(timeout=30_000)
    own.locator("select").select_option(OTHERS)
    own.get_by_role("button", name="Say it").click()
    keep(phone, "phones-connected")
    time.sleep(max(seconds_of(SPOKEN), seconds_of(OTHERS)) + 0.5)
    other.get_by_role("button", name="Hang up").click()

    expect(page.locator(".turn-text").first).to_be_visible(timeout=30_000)
    keep(page, "conversation")
    spoken = said_by_speaker(page.content())
    assert set(spoken) == {"operator", "+1 415-555-2703"}
    for name, clip in (("operator", OTHERS), ("+1 415-555-2703", SPOKEN)):
        rate = word_error_rate(said(clip), spoken[name])
        assert rate <= WORD_ERROR_RATE, (name, spoken)
