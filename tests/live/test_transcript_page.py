"""A transcript's page: text and audio stay in sync, with mouse and keyboard."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live.browser import in_chromium, keep, sign_in
from tests.live.operator import operator_of
from tests.live.sandbox import Sandbox
from tests.live.test_accessibility import in_shell
from tests.live.test_review import transcript_of

pytestmark = in_chromium

# Let the player play without moving. Then a slow machine reads the same position.
STAND_STILL = """for (const moment of ["play", "seeking"]) {
    addEventListener(moment, (event) => { event.target.playbackRate = 0; }, true);
}"""
ARABIC = """
from caller.models import Recording
from transcription.models import Transcript
words = [
    dict(text=text, start=n * 500, end=n * 500 + 400, confidence=0.9, speaker="A")
    for n, text in enumerate(["مرحبا", "كيف", "حالك"])
]
recording = Recording.objects.create(source="file", status="completed")
Transcript.objects.create(pk=80001, recording=recording, status="completed",
    text=" ".join(word["text"] for word in words), words=words, language="ar",
    uuid="99999999-2222-4333-8444-555555555555", next_attempt_at=None)
"""


@pytest.fixture(scope="module")
def address(sandbox: Sandbox) -> str:
    """Dial, wait for the transcript, and return the URL of its page."""
    call = operator_of(sandbox.site).dial("14155551290")
    return transcript_of(sandbox, call)


@pytest.fixture
def page(page: Page, address: str) -> Page:
    page.goto(address)
    sign_in(page)
    expect(page.get_by_role("button", name="Next")).to_be_visible()
    return page


def starts(page: Page) -> list[int]:
    return page.evaluate(
        "JSON.parse(document.getElementById('words').textContent)"
        ".flatMap((turn) => turn.starts)"
    )


def doubtful(page: Page) -> list[int]:
    """Return the indexes of the words that are marked as doubtful."""
    return page.locator(".turn-text > span").evaluate_all(
        "all => all.flatMap((w, i) => w.classList.contains('doubtful') ? [i] : [])"
    )


def paused_at(page: Page) -> float:
    """Stop the player, and return its position in seconds."""
    return page.evaluate(
        "() => { const a = document.querySelector('audio'); a.pause();"
        " return a.currentTime; }"
    )


def is_paused(page: Page) -> bool:
    return page.locator("audio").evaluate("audio => audio.paused")


def test_the_word_that_is_spoken_is_marked(page: Page):
    page.keyboard.press("Space")

    expect(page.locator(".spoken")).to_have_count(1)
    first = page.locator(".spoken").inner_text()
    expect(page.locator(".spoken")).not_to_have_text(first)

    played = paused_at(page) * 1000
    number = page.locator(".turn-text > span").evaluate_all(
        "all => all.findIndex((w) => w.classList.contains('spoken'))"
    )
    assert number == max(i for i, start in enumerate(starts(page)) if start <= played)
    page.emulate_media(forced_colors="active")
    expect(page.locator(".spoken")).to_have_css("outline-style", "solid")


def test_space_plays_and_pauses(page: Page):
    page.keyboard.press("Space")
    expect(page.locator(".spoken")).to_have_count(1)
    assert not is_paused(page)

    page.keyboard.press("Space")
    assert is_paused(page)


def test_n_and_p_keys_play_doubtful_words_from_two_seconds_before(page: Page):
    page.locator("#below").fill("0.95")
    every = doubtful(page)
    assert len(every) > 2
    page.evaluate(STAND_STILL)

    for key, number in [("n", 0), ("n", 1), ("n", 2), ("p", 1)]:
        page.keyboard.press(key)

        assert not is_paused(page), key
        seconds = paused_at(page)
        # Round, because 2.7 - 2 is not exactly 0.7 in floating point.
        lead = max(0, round(starts(page)[every[number]] / 1000 - 2, 3))
        assert lead <= seconds < lead + 0.5, key
        expect(page.locator(".turn-text > span").nth(every[number])).to_be_focused()
        expect(page.locator("#count")).to_contain_text(f"{number + 1} of")


def test_click_on_a_word_plays_from_there(page: Page):
    page.evaluate(STAND_STILL)
    page.locator(".turn-text > span").nth(4).click()

    assert not is_paused(page)
    clicked = paused_at(page)
    times = starts(page)
    assert times[4] <= clicked * 1000 < times[4] + 500


def test_the_speed_and_what_counts_as_doubtful_can_be_changed(page: Page):
    page.get_by_label("Speed").select_option("2")
    page.locator("#below").fill("0")

    page.keyboard.press("n")

    assert page.locator("audio").evaluate("audio => audio.playbackRate") == 2
    assert doubtful(page) == []
    expect(page.locator("#count")).to_contain_text("0 to check")


def test_a_click_on_the_waveform_goes_there(page: Page):
    page.keyboard.press("Space")
    expect(page.locator(".spoken")).to_have_count(1)
    paused_at(page)
    box = page.locator(".wave").bounding_box()
    assert box

    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)

    half = page.locator("audio").evaluate("audio => audio.duration") / 2
    assert half - 0.1 <= paused_at(page) < half + 0.5


def test_shortcuts_are_ignored_in_fields_and_when_turned_off(page: Page):
    page.get_by_label("Speed").focus()
    page.keyboard.press("n")
    page.get_by_role("button", name="Keyboard shortcuts", exact=True).click()
    page.get_by_label("Keyboard shortcuts on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.locator(".turn-text > span").first.focus()
    page.keyboard.press("n")
    page.keyboard.press("Space")

    assert is_paused(page)
    page.reload()
    expect(page.get_by_label("Keyboard shortcuts on")).not_to_be_checked()


@pytest.mark.parametrize(
    ("key", "code", "shown"),
    [
        ("N", "KeyN", "1 of"),  # Caps Lock
        ("т", "KeyN", "1 of"),
        ("ى", "KeyN", "1 of"),
        ("מ", "KeyN", "1 of"),
        ("х", "BracketLeft", "Speed 0.75"),
        # On a German keyboard, ü has the place of the key "[", but must not slow down.
        ("ü", "BracketLeft", "to check"),
    ],
)
def test_shortcuts_work_with_every_layout_of_keys(
    page: Page, key: str, code: str, shown: str
):
    page.locator("#below").fill("0.95")
    page.locator(".turn-text > span").first.dispatch_event(
        "keydown", {"key": key, "code": code, "bubbles": True}
    )

    expect(page.locator("#count")).to_contain_text(shown)


def test_text_from_right_to_left_is_shown_and_walked_from_right_to_left(
    page: Page, sandbox: Sandbox
):
    in_shell(sandbox, ARABIC)
    page.goto(f"{sandbox.site}/admin/transcription/transcript/80001/change/")
    words = page.locator(".turn-text > span")
    words.first.focus()
    page.keyboard.press("ArrowLeft")

    expect(words.nth(1)).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    expect(words.nth(2)).to_have_class("chosen")
    page.keyboard.press("ArrowRight")
    expect(words.nth(1)).to_be_focused()
    left, right = words.nth(1).bounding_box(), words.first.bounding_box()
    assert left
    assert right
    assert left["x"] < right["x"]
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        keep(page, f"arabic-{width}")
    page.get_by_role("link", name="Print view").click()
    expect(page.locator(".turns p")).to_have_css("direction", "rtl")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        keep(page, f"arabic-print-{width}")


def test_the_player_hides_nothing_that_has_the_focus(page: Page):
    page.set_viewport_size({"width": 390, "height": 640})
    page.locator("#viewer button").last.focus()

    hidden = []
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        found = page.evaluate(
            """() => {
                const now = document.activeElement;
                const player = document.querySelector("#viewer .player");
                if (player.contains(now)) return null;
                const below = now.getBoundingClientRect().top;
                return [now.textContent, below - player.getBoundingClientRect().bottom];
            }"""
        )
        if found is None:
            break
        if found[1] < 0:
            hidden.append(found)

    assert found is None
    assert not hidden


def test_without_javascript_text_and_player_are_there(browser: Browser, address: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    sign_in(page)

    expect(page.locator(".turn-text").first).to_be_visible()
    expect(page.locator("audio")).to_be_visible()
    expect(page.locator(".controls").first).to_be_hidden()
    context.close()
