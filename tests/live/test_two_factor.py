"""Two-factor login in a real browser: an authenticator app, and a passkey.

The passkey is on a virtual device of Chromium.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.djtranscribe.accounts.totp import totp
from tests.live.browser import in_chromium, keep
from tests.live.sandbox import Sandbox, running
from tests.live.test_accessibility import violations

pytestmark = in_chromium

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("two-factor")
    with running(folder, 0.1, {"TWO_FACTOR": "required"}) as sandbox:
        yield sandbox


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state()


def log_in(page: Page) -> None:
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill("sandbox")
    press(page, "Log in")


def look_at(page: Page, name: str) -> None:
    """Run axe-core, and save a screenshot as wide as a phone."""
    assert violations(page) == [], name
    keep(page, f"two-factor-{name}")


def test_an_app_is_set_up_and_then_a_passkey_logs_in(browser: Browser, site: Sandbox):
    # Allow the script of axe-core, which our Content-Security-Policy forbids.
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{site.site}/search/")
    look_at(page, "login")
    log_in(page)
    expect(page.get_by_text("This site requires a second factor")).to_be_visible()
    look_at(page, "required")

    page.goto(f"{site.site}/accounts/reauthenticate/")
    look_at(page, "confirm")
    page.goto(f"{site.site}/accounts/2fa/")
    page.get_by_role("link", name="Set up an app").click()
    page.wait_for_load_state()
    look_at(page, "app")
    secret = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("Authenticator code").fill(totp(secret))
    press(page, "Activate")
    expect(page.get_by_text("There are 10 out of 10")).to_be_visible()
    look_at(page, "codes")

    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    page.goto(f"{site.site}/accounts/2fa/webauthn/add/")
    look_at(page, "add")
    page.get_by_label("Passwordless").check()
    press(page, "Add")
    expect(page.get_by_text("You have 1 key.")).to_be_visible()
    look_at(page, "all")
    page.goto(f"{site.site}/accounts/2fa/webauthn/")
    look_at(page, "keys")
    press(page, "Log out")

    page.goto(f"{site.site}/search/")
    log_in(page)
    expect(page.get_by_label("Code from your app")).to_be_visible()
    look_at(page, "second-step")
    press(page, "Use a passkey or security key")
    page.wait_for_url(f"{site.site}/search/")
    press(page, "Log out")

    page.goto(f"{site.site}/search/")
    press(page, "Use a passkey")
    page.wait_for_url(f"{site.site}/search/")
    context.close()


def test_content_security_policy_allows_the_passkey_login_script(
    browser: Browser, site: Sandbox
):
    context = browser.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(f"{site.site}/")
    page.get_by_role("button", name="Use a passkey").wait_for()

    assert [line for line in refused if "Content Security Policy" in line] == []
    assert page.evaluate("typeof allauth.webauthn.forms.loginForm") == "function"
    context.close()
