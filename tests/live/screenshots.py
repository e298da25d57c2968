"""Take the README's pictures anew: `python -m tests.live.screenshots`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.live.browser import chromium, sign_in
from tests.live.sandbox import ROOT, Sandbox, running

DOCS = ROOT / "docs"
NUMBER = "14155551234"


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), pace=1) as sandbox,
        chromium() as browser,
    ):
        take(browser.new_page(viewport={"width": 1100, "height": 720}), sandbox)
    print(f"Taken anew: {DOCS}/call.png, {DOCS}/transcript.png")


def take(page: Page, sandbox: Sandbox) -> None:
    page.goto(f"{sandbox.site}/dial/{NUMBER}/")
    sign_in(page)
    page.get_by_role("button", name="Call +1").click()
    expect(page.locator("#headline")).to_have_text("Transcribed", timeout=60_000)
    page.screenshot(path=DOCS / "call.png")
    page.get_by_role("link", name="Transcript in admin").click()
    # Among its words one that the recogniser was not sure of.
    page.get_by_role("button", name="Next word to check").click()
    page.wait_for_timeout(2500)
    page.screenshot(path=DOCS / "transcript.png")


if __name__ == "__main__":
    main()
