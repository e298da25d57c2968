"""An operator's day in a browser: dial, watch the list of calls, read a transcript.

Dialling, review and search are also done without a mouse.
"""

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.live.browser import in_chromium, keep, sign_in
from tests.live.operator import operator_of
from tests.live.sandbox import Sandbox
from tests.live.test_transcript_page import STAND_STILL, paused_at, starts

pytestmark = in_chromium

TWO_CLIPS = "14155551292"


@pytest.fixture(scope="module")
def call(sandbox: Sandbox) -> str:
    """Return the URL of a call with a transcript."""
    operator = operator_of(sandbox.site)
    path = operator.dial(TWO_CLIPS)
    operator.text_of(path)
    return sandbox.site + path


@pytest.fixture
def reading(page: Page, call: str) -> Page:
    page.goto(call)
    sign_in(page)
    expect(page.get_by_role("button", name="Next")).to_be_visible()
    return page


def test_number_field_dials_and_the_call_list_updates(sandbox: Sandbox, page: Page):
    page.goto(f"{sandbox.site}/")
    sign_in(page)
    page.get_by_label("Number to call").press_sequentially("(415) 555-1291", delay=20)

    expect(page.locator("#number-check")).to_contain_text("San Francisco, CA")
    expect(page.get_by_label("Number to call")).to_have_value("+1 415-555-1291")
    page.get_by_role("button", name="Call", exact=True).click()
    page.wait_for_url("**/calls/**")
    page.goto(f"{sandbox.site}/")
    row = page.locator(".call-row").first

    expect(row).to_contain_text("+1 415-555-1291")
    # The row shows the first words without a reload.
    expect(row.locator(".status-text")).to_have_text("Transcribed", timeout=60_000)
    expect(row.locator(".excerpt")).not_to_be_empty()
    keep(page, "home")
    row.get_by_role("link", name=re.compile("History")).click()
    expect(page.get_by_role("heading", name="+1 415-555-1291")).to_be_visible()
    page.get_by_label("Whose number is it?").fill("Grace Hopper")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Grace Hopper")).to_be_visible()
    keep(page, "number")


def test_a_transcript_comes_to_the_page_of_a_call_while_a_note_is_typed(
    sandbox: Sandbox, page: Page
):
    page.goto(f"{sandbox.site}/dial/14155551289/")
    sign_in(page)
    page.get_by_role("button", name="Call +1").click()
    page.get_by_role("textbox", name="Note").fill("He asked for")

    expect(page.locator("#headline")).to_have_text("Transcribed", timeout=60_000)
    expect(page.get_by_role("button", name="Next")).to_be_visible()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("He asked for")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".notes")).to_contain_text("He asked for")
    page.locator(".notes summary").click()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        keep(page, f"delete-note-{width}")
    page.get_by_role("button", name="Delete permanently").click()
    expect(page.get_by_text("The note was deleted.")).to_be_visible()
    expect(page.locator(".notes li")).to_have_count(0)
    page.get_by_label("Add a tag").fill("Call back")
    page.keyboard.press("Enter")
    expect(page.locator(".tag")).to_contain_text("call back")

    page.goto(f'{sandbox.site}/search/?q=tag:"call back"')
    expect(page.locator(".result")).to_contain_text("+1 415-555-1289")


def test_a_word_is_corrected_on_the_page_of_the_call(reading: Page, call: str):
    word = reading.locator(".turn-text > span").nth(2)
    word.dblclick()
    reading.keyboard.type("Corrected")
    reading.keyboard.press("Enter")

    expect(reading.locator("#saved")).to_have_text("Saved.")
    reading.goto(call)
    expect(reading.locator(".turn-text > span").nth(2)).to_have_text("Corrected")


def test_keys_rewind_and_change_the_speed_and_the_speed_is_remembered(
    reading: Page, call: str
):
    audio = reading.locator("audio")
    reading.keyboard.press("]")
    reading.keyboard.press("]")
    reading.keyboard.press("[")
    audio.evaluate("(a) => { a.currentTime = 4; a.volume = 0.25; }")
    reading.keyboard.press("j")

    assert 0.9 <= paused_at(reading) <= 1.1
    assert audio.evaluate("a => a.playbackRate") == 1.25
    reading.goto(call)
    expect(reading.get_by_label("Speed")).to_have_value("1.25")
    assert audio.evaluate("a => [a.playbackRate, a.volume]") == [1.25, 0.25]


def test_a_question_mark_opens_the_list_of_keys_and_escape_closes_it(reading: Page):
    reading.keyboard.press("?")
    dialog = reading.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    keep(reading, "keys", full_page=False)
    # While the dialog is open, Space closes it and does not start the player.
    reading.keyboard.press("Space")
    expect(dialog).to_be_hidden()
    reading.keyboard.press("?")
    reading.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    assert paused_at(reading) == 0


def test_link_to_a_time_focuses_the_word_and_plays_from_there(reading: Page, call: str):
    reading.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reading.locator(".turn-text > span").nth(4).focus()
    reading.locator(".turn-text > span").nth(4).click()
    paused_at(reading)
    reading.keyboard.press("l")
    expect(reading.locator("#count")).to_contain_text("is copied")
    link = reading.evaluate("navigator.clipboard.readText()")
    times = starts(reading)

    reading.add_init_script(STAND_STILL)
    reading.goto("about:blank")
    reading.goto(link)
    expect(reading.locator(".turn-text > span").nth(4)).to_be_focused()
    assert link.startswith(f"{call}#t=")
    assert times[4] - 60 <= paused_at(reading) * 1000 < times[4] + 900

    # Open a link to another time while the page is open.
    reading.goto(f"{call}#t={times[2] / 1000}")
    expect(reading.locator(".turn-text > span").nth(2)).to_be_focused()
    assert paused_at(reading) * 1000 < times[2] + 900
    reading.go_back()
    expect(reading.locator(".turn-text > span").nth(4)).to_be_focused()


def test_silence_is_skipped_if_wanted(reading: Page, call: str):
    def with_a_pause(route: Route) -> None:
        """Add a long silence to the page. The recording has none."""
        body = route.fetch().text()
        changed = re.sub(r'(id="silences"[^>]*>)[^<]*', r"\1[[500, 5000]]", body)
        route.fulfill(body=changed, content_type="text/html; charset=utf-8")

    reading.route(call, with_a_pause)
    reading.get_by_label("Skip silence").check()
    reading.goto(call)
    expect(reading.get_by_label("Skip silence")).to_be_checked()
    reading.keyboard.press("Space")

    # The player has played two parts: half a second, and what follows at five seconds.
    reading.wait_for_function(
        "() => { const { played } = document.querySelector('audio');"
        " return played.length === 2 && played.end(0) < 4 && played.start(1) >= 5; }"
    )


def test_the_print_view_is_clean(reading: Page):
    reading.get_by_role("link", name="Print view").click()
    reading.emulate_media(media="print")

    expect(reading.get_by_role("banner")).to_be_hidden()
    expect(reading.get_by_role("button", name="Print")).to_be_hidden()
    expect(reading.get_by_text("Notice played")).to_be_visible()
    keep(reading, "print")


# Tests without a mouse. After each Tab, a different element has the focus, and the
# focus is visible.


def walk_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until the control of this name has the focus."""
    before = None
    for _ in range(most):
        page.keyboard.press("Tab")
        now = page.evaluate(
            """() => {
                const e = document.activeElement;
                // The browser draws the player's controls and their focus.
                if (e === document.body || e.matches("audio")) return null;
                const style = getComputedStyle(e);
                const box = e.getBoundingClientRect();
                const label = e.labels?.[0]?.textContent ?? "";
                return {
                    name: (e.getAttribute("aria-label") || label || e.textContent)
                        .trim().replace(/\\s+/g, " "),
                    place: [Math.round(box.left), Math.round(box.top + scrollY)],
                    isSeen: style.outlineStyle !== "none" && box.width > 0
                        && box.bottom > 0 && box.top < innerHeight,
                };
            }"""
        )
        if now is None:
            continue
        assert now["isSeen"], f"the focus is not seen on {now}"
        assert now != before, f"trapped on {now}"
        before = now
        if now["name"].startswith(name):
            return
    raise AssertionError(f"{name} cannot be reached")


def test_a_number_is_dialled_without_a_mouse(sandbox: Sandbox, page: Page):
    page.goto(f"{sandbox.site}/")
    # The page sets the focus after it has loaded. Earlier keys would be lost.
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("operator")
    page.keyboard.press("Tab")
    page.keyboard.type("sandbox")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{sandbox.site}/")

    walk_to(page, "Number to call")
    page.keyboard.type("4155551288")
    walk_to(page, "Keyword list")
    walk_to(page, "Call")
    page.keyboard.press("Enter")

    page.wait_for_url("**/calls/**")
    expect(page.locator("#headline")).to_have_text("Transcribed", timeout=60_000)


def test_words_are_reviewed_without_a_mouse(reading: Page):
    walk_to(reading, "Previous word to check")
    walk_to(reading, "Next word to check")
    walk_to(reading, "Print view")
    walk_to(reading, reading.locator(".turn-text > span").first.inner_text())
    reading.keyboard.press("ArrowRight")
    reading.keyboard.press("Enter")
    reading.keyboard.type("Typed")
    reading.keyboard.press("Enter")
    expect(reading.locator("#saved")).to_have_text("Saved.")
    walk_to(reading, "Verify")


def test_a_search_is_done_without_a_mouse(sandbox: Sandbox, call: str, page: Page):
    page.goto(f"{sandbox.site}/search/")
    sign_in(page)

    walk_to(page, "What was said")
    page.keyboard.type("to:4155551292")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=to*")
    walk_to(page, "How to search")
    walk_to(page, "+1 415-555-1292")
    page.keyboard.press("Enter")

    page.wait_for_url(call)


def test_pages_need_no_horizontal_scrolling_at_double_zoom(
    browser: Browser, sandbox: Sandbox, call: str
):
    # At a zoom of 200%, a window of 1280 x 800 pixels has 640 x 400 CSS pixels.
    context = browser.new_context(viewport={"width": 640, "height": 400})
    page = context.new_page()
    page.goto(f"{sandbox.site}/")
    sign_in(page)
    path = call.removeprefix(sandbox.site)
    paths = ["/", path, f"{path}number/", "/search/", "/admin/", "/accuracy/"]
    paths += ["/admin/transcription/transcript/", "/admin/transcription/vocabulary/1/"]

    wide = {}
    for each in paths:
        page.goto(sandbox.site + each)
        wide[each] = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    context.close()

    assert {each: by for each, by in wide.items() if by > 0} == {}


def test_reduced_motion_setting_disables_animations(
    browser: Browser, sandbox: Sandbox, call: str
):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(call)
    sign_in(page)

    for each in (call, f"{sandbox.site}/", f"{sandbox.site}/admin/"):
        page.goto(each)
        assert page.evaluate("document.getAnimations().length") == 0
    context.close()
