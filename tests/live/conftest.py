from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.live.browser import chromium
from tests.live.operator import Operator, operator_of
from tests.live.sandbox import Sandbox, running

# Ask the vendors about a result so late that a test fails if its webhook is lost.
WEBHOOKS_ONLY = {"RECOVER_SECONDS": "3600"}


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox"), 0.1, WEBHOOKS_ONLY) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def lifelike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox at the pace of real calls, so that every state can be seen."""
    with running(tmp_path_factory.mktemp("lifelike"), 1, WEBHOOKS_ONLY) as sandbox:
        yield sandbox


@pytest.fixture
def operator(sandbox: Sandbox) -> Operator:
    return operator_of(sandbox.site)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page without a login. Any message in its console makes the test fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not complaints


@pytest.fixture(autouse=True)
def vendors() -> None:
    """Mock nothing: these tests talk to the stand-ins over real sockets."""
