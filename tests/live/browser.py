"""Debian's own Chromium, driven by Playwright, which downloads none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.live.sandbox import ROOT

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = ROOT / "var" / "screenshots"
# Each width and each color scheme once: a layout does not depend on the scheme, nor a
# contrast on the width.
WINDOWS = [(1280, "light"), (390, "dark")]

in_chromium = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here"),
]

# As root in a container it has no sandbox of its own; and it must ask nobody outside.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """more: options of its own, such as a microphone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*OPTIONS, *more]
        )
        yield browser
        browser.close()


def sign_in(page: Page, name: str = "operator") -> None:
    # Chromium complains if something else has the focus that the page wants to set.
    expect(page.get_by_label("Username")).to_be_focused()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("sandbox")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()


@contextmanager
def signed_in(browser: Browser, site: str, **options: Any) -> Iterator[BrowserContext]:
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(f"{site}/")
    # The page stays open: Chromium loses a close that comes amid a navigation, and
    # Playwright waits for it without end.
    sign_in(page)
    yield context
    context.close()


def keep(page: Page, name: str, full_page: bool = True) -> None:
    """An artefact for whoever wants to see what the tests saw."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)
