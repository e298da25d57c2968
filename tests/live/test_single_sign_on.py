"""Single sign-on in a real browser, at a real OpenID Connect provider."""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chaos.waiting import is_open, until
from tests.live.browser import in_chromium, keep
from tests.live.sandbox import ROOT, free_ports
from tests.live.test_accessibility import violations
from tests.processes import environment, manage

pytestmark = in_chromium

# What the provider says about three people.
ADA = {"sub": "17", "email": "ada@example.com", "email_verified": True}
STRANGER = {"sub": "18", "email": "stranger@example.com", "email_verified": True}
UNVERIFIED = {"sub": "19", "email": "ada@example.com", "email_verified": False}


class Servers:
    """A provider that knows three people, and our web server."""

    def __init__(self, folder: Path) -> None:
        provider_port, port = free_ports(2)
        self.site = f"http://localhost:{port}"
        self.environ = environment(
            folder,
            DEBUG="true",
            BASE_URL=self.site,
            ALLOWED_HOSTS="localhost",
            OIDC_URL=f"http://127.0.0.1:{provider_port}",
            OIDC_NAME="Example",
            OIDC_CLIENT_ID="djtranscribe",
            OIDC_CLIENT_SECRET="secret",
            DJANGO_SUPERUSER_PASSWORD="secret",
        )
        self.provider_command = ["-m", "oidc_provider_mock", "-p", str(provider_port)]
        for claims in (ADA, STRANGER, UNVERIFIED):
            self.provider_command += ["--user-claims", json.dumps(claims)]
        self.web_command = ["manage.py", "runserver", "--noreload", str(port)]
        self.ports = (provider_port, port)

    @contextmanager
    def running(self) -> Iterator[None]:
        manage(self.environ, "migrate", "--verbosity", "0")
        account = ("--username", "ada", "--email", "ada@example.com")
        manage(self.environ, "createsuperuser", "--noinput", *account)
        self.provider = self.start(self.provider_command)
        web = self.start(self.web_command)
        try:
            for port in self.ports:
                until(f"port {port}", functools.partial(is_open, port), seconds=60)
            yield
        finally:
            for process in (self.provider, web):
                process.kill()
                process.wait()

    def start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def servers(tmp_path: Path, migrated: Path) -> Iterator[Servers]:
    found = Servers(tmp_path)
    with found.running():
        yield found


def log_in_as(page: Page, person: dict) -> None:
    page.get_by_role("link", name="Log in with Example").click()
    page.get_by_placeholder("sub").fill(person["sub"])
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_load_state()


def test_the_provider_logs_in_only_people_with_an_account(
    browser: Browser, servers: Servers
):
    # Our Content-Security-Policy would forbid inserting axe into the page.
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
