"""Update the pictures in the README: `python -m tests.live.screenshots`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.live.browser import chromium, sign_in
from tests.live.operator import Operator
from tests.live.sandbox import ROOT, Sandbox, running

DOCS = ROOT / "docs"
# At …0021, the person says terms of a keyword list. At …0003, nobody answers. At the
# other numbers, the person says a sentence.
NUMBERS = ["14155551236", "14155550021", "14155550003", "14155551299", "14155551234"]
NAMES = {"14155551236": "Front desk", "14155551234": "Ada Lovelace"}


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), pace=0.1) as sandbox,
        chromium() as browser,
    ):
        take(browser.new_page(viewport={"width": 1100, "height": 820}), sandbox)
        ringing(browser.new_page(viewport={"width": 900, "height": 430}), sandbox)
    print(f"Updated: {DOCS}/home.png, {DOCS}/call.png, {DOCS}/phone.png")


def ringing(page: Page, sandbox: Sandbox) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{sandbox.twilio}/phone/")
    expect(page.get_by_text("No phone is ringing")).to_be_visible()
    Operator(sandbox.site).dial("14155551234")
    expect(page.get_by_role("button", name="Answer")).to_be_visible()
    page.screenshot(path=DOCS / "phone.png")


def take(page: Page, sandbox: Sandbox) -> None:
    operator = Operator(sandbox.site)
    calls = {number: operator.dial(number) for number in NUMBERS}
    page.goto(sandbox.site)
    sign_in(page)
    for number, name in NAMES.items():
        operator.text_of(calls[number])
        page.goto(f"{sandbox.site}{calls[number]}number/")
        page.get_by_label("Whose number is it?").fill(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.goto(sandbox.site)
    page.get_by_label("Number to call").fill("(415) 555-1236")
    expect(page.locator("#number-check")).to_contain_text("Front desk")
    expect(page.locator(".call-row.now")).to_have_count(0, timeout=60_000)
    page.screenshot(path=DOCS / "home.png")
    page.goto(sandbox.site + calls[NUMBERS[-1]])
    # Go to a word with low confidence, so that the picture shows it.
    page.get_by_role("button", name="Next word to check").click()
    page.wait_for_timeout(2500)
    page.screenshot(path=DOCS / "call.png")


if __name__ == "__main__":
    main()
