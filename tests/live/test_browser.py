"""A newcomer's first steps in a real browser. Skipped if there is no Chromium."""

from playwright.sync_api import Browser, Page, expect

from tests.chaos.vendors import AssemblyAI
from tests.chaos.waiting import until
from tests.live.browser import in_chromium, keep, sign_in
from tests.live.sandbox import Sandbox
from tests.live.test_whole_way import WORD_ERROR_RATE, word_error_rate

pytestmark = in_chromium

# Some headlines are there only for a second. A test that looks from time to time could
# miss them on a slow machine.
COLLECT_HEADLINES = """
    window.headlines = new Set();
    new MutationObserver(() => {
        headlines.add(document.getElementById("headline")?.textContent);
    }).observe(document, { childList: true, subtree: true });
"""


def test_new_user_dials_follows_the_call_and_finds_it_in_admin(
    lifelike: Sandbox, page: Page
):
    sandbox = lifelike
    page.goto(f"{sandbox.site}/dial/14155551236/")
    sign_in(page)
    keep(page, "dial")
    page.add_init_script(COLLECT_HEADLINES)
    assemblyai = AssemblyAI(sandbox.assemblyai)
    assemblyai.webhooks("held")
    try:
        page.get_by_role("button", name="Call +1 415-555-1236").click()
        expect(page.locator("#headline")).to_have_text("Transcribing", timeout=60_000)
    finally:
        assemblyai.webhooks("normal")
        assemblyai.release()
    expect(page.locator("#headline")).to_have_text("Transcribed", timeout=60_000)
    # All are from one page load: a reload would have emptied the set.
    seen = set(page.evaluate("[...headlines]"))
    text = " ".join(page.locator("#text .turn-text").all_inner_texts())
    keep(page, "call")

    assert {"Ringing", "In progress", "Transcribing"} <= seen, seen
    said = sandbox.said_to("+14155551236")
    assert word_error_rate(said, text) <= WORD_ERROR_RATE

    page.goto(f"{sandbox.site}/admin/")
    page.get_by_role("link", name="Transcripts", exact=True).last.click()
    keep(page, "transcripts")
    page.get_by_role("link", name="+1 415-555-1236").click()
    keep(page, "transcript")
    expect(page.get_by_text(text)).to_be_visible()
    audio = page.locator("audio")
    audio.evaluate("audio => audio.play()")
    until("it plays", lambda: audio.evaluate("audio => audio.currentTime > 0.2"))
    page.get_by_role("link", name="Recording of the call").click()
    keep(page, "recording")
    expect(page.get_by_text("Completed").first).to_be_visible()
    page.get_by_role("link", name="Call to +1 415-555-1236").first.click()
    keep(page, "call-in-admin")
    expect(page.get_by_role("heading", name="Call to +1 415-555-1236")).to_be_visible()


def test_sid_can_be_copied_and_is_hidden_after_logging_out(
    sandbox: Sandbox, browser: Browser
):
    # Log in separately: logging out would end a session that other tests share.
    with browser.new_context() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(f"{sandbox.site}/")
        sign_in(page)
        page.goto(f"{sandbox.site}/dial/14155550002/")
        # Until the call has ended, polls replace the button.
        expect(page.locator("#call[hx-get]")).to_have_count(0)
        page.get_by_role("button", name="Copy").click()
        expect(page.locator("#announcer")).to_have_text("Copied.")
        sid = page.locator("#call-sid").inner_text()
        assert page.evaluate("navigator.clipboard.readText()") == sid
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=scheme)
                keep(page, f"call-sid-{width}-{scheme}")

        page.get_by_role("button", name="Log out").click()
        page.wait_for_load_state()
        page.go_back()
        page.wait_for_load_state()

        assert sid not in page.content()
