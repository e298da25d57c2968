"""axe-core finds nothing on any page, in light and dark, at a desk and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.live.browser import in_chromium, signed_in
from tests.live.operator import Operator
from tests.live.sandbox import Sandbox

pytestmark = in_chromium

WCAG_2_2_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = [
    "/",
    "/dial/?number=1415",
    "/dial/14155551200/",
    "/search/",
    '/search/?q="nothing says this"',
    "/search/?q=the",
    "/admin/",
    "/admin/caller/call/",
    "/admin/caller/recording/",
    "/admin/caller/donotcall/",
    "/admin/caller/donotcall/add/",
    "/admin/transcription/transcript/",
    "/admin/transcription/vocabulary/",
    "/admin/transcription/vocabulary/add/",
    "/admin/djtranscribe/webhookdelivery/",
    "/admin/djtranscribe/access/",
    "/admin/djtranscribe/vendorpause/",
]
# A row of each, as its list shows it.
ROWS = [
    "/admin/caller/call/",
    "/admin/caller/recording/",
    "/admin/transcription/transcript/",
    "/admin/djtranscribe/webhookdelivery/",
    "/admin/djtranscribe/access/",
]
WINDOWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def calls(sandbox: Sandbox) -> list[str]:
    """The pages of calls that ended in different ways."""
    operator = Operator(sandbox.site)
    transcribed = operator.dial("14155551298")
    operator.text_of(transcribed, seconds=60)
    return [transcribed, operator.dial("14155550001"), operator.dial("14155550002")]


@pytest.fixture(params=WINDOWS, ids=lambda window: "-".join(map(str, window)))
def context(request: pytest.FixtureRequest, browser: Browser, sandbox: Sandbox):
    width, scheme = request.param
    window = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    # axe is put into the page, which our own policy would forbid.
    with signed_in(browser, sandbox.site, bypass_csp=True, **window) as context:
        yield context


def violations(page: Page) -> list[str]:
    rules = list(WCAG_2_2_AA)
    if "/admin/" not in page.url:
        # Admin's own templates break some of these; ours do not.
        rules.append("best-practice")
    found = Axe().run(page, options={"runOnly": rules}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]} ({node.get('failureSummary', '')[:200]})"
        for rule in found
        for node in rule["nodes"]
    ]


def test_no_page_has_a_violation(
    context: BrowserContext, sandbox: Sandbox, calls: list[str]
):
    page = context.new_page()
    # Found on the way, so that one run names all there are.
    wrong = {}

    for path in [*PAGES, *calls]:
        page.goto(sandbox.site + path)
        wrong[path] = violations(page)
    for path in ROWS:
        page.goto(sandbox.site + path)
        page.locator("#result_list tbody th a").first.click()
        page.wait_for_load_state()
        wrong[page.url.removeprefix(sandbox.site)] = violations(page)

    assert {path: found for path, found in wrong.items() if found} == {}


def test_who_is_not_signed_in_meets_no_violation(browser: Browser, sandbox: Sandbox):
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{sandbox.site}/")

    assert violations(page) == []
    context.close()
