"""Single sign-on in a real browser, at a real OpenID Connect provider."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live.browser import in_chromium, keep
from tests.live.sandbox import free_ports
from tests.live.test_accessibility import violations
from tests.processes import environment, manage, serving

pytestmark = in_chromium

# What the provider says about three people.
ADA = {"sub": "17", "email": "ada@example.com", "email_verified": True}
STRANGER = {"sub": "18", "email": "stranger@example.com", "email_verified": True}
UNVERIFIED = {"sub": "19", "email": "ada@example.com", "email_verified": False}


class Servers(NamedTuple):
    site: str
    provider: "subprocess.Popen[bytes]"


@pytest.fixture
def servers(tmp_path: Path, migrated: Path) -> Iterator[Servers]:
    """Start a provider that knows three people, and our web server."""
    provider_port, port = free_ports(2)
    site = f"http://localhost:{port}"
    environ = environment(
        tmp_path,
        DEBUG="true",
        BASE_URL=site,
        ALLOWED_HOSTS="localhost",
        OIDC_URL=f"http://127.0.0.1:{provider_port}",
        OIDC_NAME="Example",
        OIDC_CLIENT_ID="djtranscribe",
        OIDC_CLIENT_SECRET="secret",
        DJANGO_SUPERUSER_PASSWORD="secret",
    )
    # allauth has tables of its own.
    manage(environ, "migrate", "--verbosity", "0")
    account = ("--username", "ada", "--email", "ada@example.com")
    manage(environ, "createsuperuser", "--noinput", *account)
    provider = [sys.executable, "-m", "oidc_provider_mock", "-p", str(provider_port)]
    for claims in (ADA, STRANGER, UNVERIFIED):
        provider += ["--user-claims", json.dumps(claims)]
    web = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    with serving(environ, (provider_port, port), provider, web) as (started, _):
        yield Servers(site, started)


def log_in_as(page: Page, person: dict) -> None:
    page.get_by_role("link", name="Log in with Example").click()
    page.get_by_placeholder("sub").fill(person["sub"])
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_load_state()


def test_the_provider_logs_in_only_people_with_an_account(
    browser: Browser, servers: Servers
):
    # Allow the script of axe-core, which our Content-Security-Policy forbids.
    page = browser.new_context(bypass_csp=True).new_page()
    for person, words in (
        (STRANGER, "No account here has your e-mail address, stranger@example.com."),
        (UNVERIFIED, "Verify your e-mail address at the provider"),
    ):
        page.goto(f"{servers.site}/search/")
        log_in_as(page, person)
        expect(page.get_by_text(words)).to_be_visible()
        assert violations(page) == []

    for _ in range(2):
        page.goto(f"{servers.site}/search/?q=pressure")
        log_in_as(page, ADA)
        expect(page).to_have_url(f"{servers.site}/search/?q=pressure")
        expect(page.get_by_role("banner")).to_contain_text("ada")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_load_state()

    servers.provider.kill()
    servers.provider.wait()
    page.goto(f"{servers.site}/search/")
    page.get_by_role("link", name="Log in with Example").click()
    expect(page.get_by_text("or could not be reached")).to_be_visible()
    keep(page, "single-sign-on-away")
