"""Playwright drives Debian's Chromium, so it need not download a browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.live.sandbox import ROOT

# Prefer the headless shell: it has Chromium's engine, but needs less CPU time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
SCREENSHOTS = ROOT / "var" / "screenshots"
# Playwright's default of 5 s is too short on a slow machine.
expect.set_options(timeout=30_000)
# Use each width and each color scheme once, not all pairs: layouts do not depend on the
# scheme, and contrasts do not depend on the width.
WINDOWS = [(1280, "light"), (390, "dark")]
# {URL of a site: the cookies of its logged-in operator}
sessions: dict[str, Any] = {}

in_chromium = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here"),
]

# Options of Chromium. As root in a container, it cannot use its sandbox. It must not
# use the internet.
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
    """Start Chromium. more: additional options, such as for a microphone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*OPTIONS, *more]
        )
        yield browser
        browser.close()


def sign_in(page: Page, name: str = "operator") -> None:
    # Wait until the page has set the focus. If we type earlier, Chromium complains in
    # the console.
    expect(page.get_by_label("Username")).to_be_focused()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("sandbox")
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()


@contextmanager
def signed_in(browser: Browser, site: str, **options: Any) -> Iterator[BrowserContext]:
    """Open a context in which the operator is logged in: one session for each site."""
    if site not in sessions:
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{site}/")
            sign_in(page)
            sessions[site] = context.storage_state()
    with browser.new_context(storage_state=sessions[site], **options) as context:
        yield context


def keep(page: Page, name: str, full_page: bool = True) -> None:
    """Save a screenshot in var/screenshots if the variable SCREENSHOTS is set."""
    if os.environ.get("SCREENSHOTS"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)
