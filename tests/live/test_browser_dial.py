"""When a real browser makes a phone ring, and when it does not.

The tests count the requests to Twilio's stand-in. Our site is localhost. The other site
is the same machine under another name: 127.0.0.1.
"""

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from djtranscribe.management.commands.sandbox import ACCOUNT_SID
from tests.live.browser import in_chromium, sign_in, signed_in
from tests.live.sandbox import Sandbox

pytestmark = in_chromium

# Wait long enough to see a request that should not be sent.
SETTLE_MS = 700
last_four = count(3100)


@pytest.fixture
def context(browser: Browser, sandbox: Sandbox) -> Iterator[BrowserContext]:
    with signed_in(browser, sandbox.site) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


class Number:
    """A number that only this test calls."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.digits = f"1415555{next(last_four)}"
        self.address = f"{sandbox.site}/dial/{self.digits}/"

    @property
    def rang(self) -> int:
        """Return how often Twilio was asked to call this number."""
        path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
        asked = self.sandbox.requests_to(self.sandbox.twilio, "POST", path)
        return len([each for each in asked if self.digits in str(each["body"])])


@pytest.fixture
def number(sandbox: Sandbox) -> Number:
    return Number(sandbox)


@pytest.fixture
def other_site() -> Iterator[Callable[[str], str]]:
    """Yield a function that serves a page on another site and returns its URL.

    If the function gets a URL instead of a page, the other site redirects to that URL.
    """
    documents: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = documents.get(self.path, "")
            if document.startswith("http"):
                self.send_response(302)
                self.send_header("Location", document)
                self.end_headers()
                return
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()

    def serve(document: str) -> str:
        path = f"/{len(documents)}"
        documents[path] = document
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield serve
    server.shutdown()
    server.server_close()


def expect_question(page: Page, number: Number) -> None:
    """Check that the page asks before it dials, and that Twilio got no request."""
    expect(page).to_have_url(number.address)
    expect(page.get_by_role("button", name=re.compile("^Call"))).to_be_visible()
    assert number.rang == 0


def expect_call(page: Page, number: Number) -> None:
    expect(page).to_have_url(re.compile("/calls/"))
    assert number.rang == 1


def go_back_and_reload(page: Page) -> None:
    page.go_back()
    page.wait_for_timeout(SETTLE_MS)
    page.reload()
    page.wait_for_timeout(SETTLE_MS)


# What dials


def test_a_typed_address_dials(page: Page, number: Number):
    page.goto(number.address)

    expect_call(page, number)


def test_a_bookmark_dials_again_only_after_the_first_call(page: Page, number: Number):
    page.goto(number.address)
    first = page.url
    page.goto("about:blank")
    page.goto(number.address)

    # If the first call still rings, its page is shown again. If the call has ended, the
    # bookmark dials a second time.
    assert number.rang == (1 if page.url == first else 2)


def test_the_button_dials(page: Page, number: Number, sandbox: Sandbox):
    page.goto(f"{sandbox.site}/dial/?number={number.digits}", referer=sandbox.site)
    if "/calls/" not in page.url:
        page.get_by_role("button", name=re.compile("^Call")).click()

    expect_call(page, number)


def test_the_box_on_our_own_page_dials_and_back_does_not_dial_again(
    page: Page, number: Number, sandbox: Sandbox
):
    page.goto(f"{sandbox.site}/")
    page.get_by_label("Number to call").fill(number.digits)
    page.get_by_role("button", name="Call", exact=True).click()

    expect_call(page, number)
    go_back_and_reload(page)
    assert number.rang == 1


# What does not dial


def test_a_reload_of_the_call_does_not_dial_again(page: Page, number: Number):
    page.goto(number.address)
    for _ in range(3):
        page.reload()

    expect_call(page, number)


def test_back_and_forward_do_not_dial_again(
    page: Page, number: Number, sandbox: Sandbox
):
    page.goto(f"{sandbox.site}/")
    page.goto(number.address)
    expect_call(page, number)
    page.go_back()
    page.go_forward()
    page.wait_for_timeout(SETTLE_MS)

    expect_call(page, number)


def test_back_to_the_question_after_the_button_does_not_dial_again(
    page: Page, number: Number, sandbox: Sandbox
):
    page.goto(f"{sandbox.site}/")
    link_to(page, number.address)
    page.click("#planted")
    expect_question(page, number)
    page.get_by_role("button", name=re.compile("^Call")).click()
    expect(page).to_have_url(re.compile("/calls/"))
    go_back_and_reload(page)

    assert number.rang == 1


def link_to(page: Page, address: str, target: str = "_self") -> None:
    page.evaluate(
        """([address, target]) => {
            const link = document.createElement("a");
            link.id = "planted"; link.href = address; link.target = target;
            link.textContent = "planted"; document.body.prepend(link);
        }""",
        [address, target],
    )


def test_link_on_own_page_asks_before_dialling(
    page: Page, number: Number, sandbox: Sandbox
):
    page.goto(f"{sandbox.site}/")
    link_to(page, number.address)
    page.click("#planted")

    expect_question(page, number)
    page.reload()
    expect_question(page, number)


@pytest.mark.parametrize("modifiers", [[], ["Control"], ["Shift"]])
def test_link_on_another_site_asks_before_dialling(
    page: Page, number: Number, other_site, modifiers
):
    page.goto(other_site(f'<a id="planted" href="{number.address}">Win!</a>'))
    if modifiers:
        with page.context.expect_page() as opened:
            page.click("#planted", modifiers=modifiers)
        page = opened.value
        page.wait_for_load_state()
    else:
        page.click("#planted")

    # The browser sends the session cookie. But its header "Sec-Fetch-Site: cross-site"
    # says that the link is on another site, so we must ask first.
    expect_question(page, number)
    page.reload()
    expect_question(page, number)


@pytest.mark.parametrize(
    "attributes",
    [
        'rel="noreferrer"',
        'rel="noopener" target="_blank"',
        'referrerpolicy="no-referrer"',
    ],
)
def test_link_without_referrer_asks_before_dialling(
    page: Page, number: Number, other_site, attributes
):
    page.goto(other_site(f'<a id="planted" {attributes} href="{number.address}">x</a>'))
    if "_blank" in attributes:
        with page.context.expect_page() as opened:
            page.click("#planted")
        page = opened.value
        page.wait_for_load_state()
    else:
        page.click("#planted")

    expect_question(page, number)


PLANTED = {
    "image": '<img src="{0}">',
    "script": '<script src="{0}"></script>',
    "stylesheet": '<link rel="stylesheet" href="{0}">',
    "frame": '<iframe src="{0}"></iframe>',
    "sandboxed frame": '<iframe sandbox="allow-scripts" src="{0}"></iframe>',
    "object": '<object data="{0}"></object>',
    "embed": '<embed src="{0}">',
    "audio": '<audio src="{0}" autoplay></audio>',
    "prefetch": '<link rel="prefetch" href="{0}">',
    "prerender": '<link rel="prerender" href="{0}">',
    "preload": '<link rel="preload" as="fetch" href="{0}">',
    "speculation rules": '<script type="speculationrules">{{"prefetch": [{{"source": '
    '"list", "urls": ["{0}"]}}], "prerender": [{{"source": "list", "urls": ["{0}"]}}]'
    "}}</script>",
    "fetch": '<script>fetch("{0}", {{mode: "no-cors", credentials: "include"}})'
    "</script>",
    "a fetch that claims to be typed": '<script>fetch("{0}", {{credentials: "include", '
    'headers: {{"Sec-Fetch-Site": "none", "Sec-Fetch-User": "?1"}}}})</script>',
    "beacon": '<script>navigator.sendBeacon("{0}")</script>',
    "ping": '<a id="go" href="#" ping="{0}">x</a><script>go.click()</script>',
    "form without a click": '<form id="go" method="post" action="{0}"></form>'
    "<script>go.submit()</script>",
    "form that gets": '<form id="go" action="{0}"></form><script>go.submit()</script>',
    "redirect by script": '<script>location = "{0}"</script>',
    "redirect by refresh": '<meta http-equiv="refresh" content="0; url={0}">',
    "window": '<script>window.open("{0}")</script>',
    "replaced history": '<script>location.replace("{0}")</script>',
}


def test_page_of_another_site_cannot_dial(
    context: BrowserContext, sandbox: Sandbox, other_site
):
    numbers = {how: Number(sandbox) for how in PLANTED}
    for how, number in numbers.items():
        page = context.new_page()
        page.goto(other_site("<!doctype html>" + PLANTED[how].format(number.address)))
    page.wait_for_timeout(SETTLE_MS)

    rang = {how: number.rang for how, number in numbers.items()}
    assert rang == dict.fromkeys(PLANTED, 0)


def test_a_form_on_another_site_that_a_person_sends_does_not_dial(
    page: Page, number: Number, other_site
):
    page.goto(
        other_site(
            f'<form method="post" action="{number.address}">'
            '<input name="csrfmiddlewaretoken" value="x"><button>Win!</button></form>'
        )
    )
    page.get_by_role("button", name="Win!").click()
    page.wait_for_load_state()

    expect(page.get_by_text("No phone was dialled")).to_be_visible()
    assert number.rang == 0


def test_a_link_to_another_site_that_leads_back_to_us_asks(
    page: Page, number: Number, sandbox: Sandbox, other_site
):
    page.goto(f"{sandbox.site}/")
    link_to(page, other_site(number.address))
    page.click("#planted")

    expect_question(page, number)


def test_prefetch_on_own_page_does_not_dial(
    page: Page, number: Number, sandbox: Sandbox
):
    page.goto(f"{sandbox.site}/")
    for rel in ("prefetch", "prerender"):
        page.evaluate(
            """([rel, address]) => {
                const link = document.createElement("link");
                link.rel = rel; link.href = address; document.head.append(link);
            }""",
            [rel, number.address],
        )
    page.wait_for_timeout(SETTLE_MS)

    assert number.rang == 0


def test_redirect_after_login_asks_before_dialling(browser: Browser, number: Number):
    context = browser.new_context()
    page = context.new_page()
    page.goto(number.address)
    sign_in(page)

    expect_question(page, number)
    page.reload()
    expect_question(page, number)
    context.close()


def test_a_stranger_dials_nothing(browser: Browser, number: Number):
    context = browser.new_context()
    page = context.new_page()
    page.goto(number.address)

    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert number.rang == 0
    context.close()


def test_a_typed_address_that_redirects_to_us_counts_as_typed_and_dials_once(
    page: Page, number: Number, other_site
):
    """Example: a person types the address of a link shortener, which redirects to us.

    Chromium's headers still say "typed" after the redirect, so we cannot detect
    the redirect. Only the limits of dialling protect us.
    """
    page.goto(other_site(number.address))
    page.wait_for_load_state()
    page.reload()

    expect_call(page, number)


def test_browser_without_sec_fetch_headers_asks_before_dialling(
    context: BrowserContext, number: Number
):
    page = context.new_page()

    def without_the_headers(route, request):
        headers = {
            name: value
            for name, value in request.headers.items()
            if not name.startswith("sec-fetch")
        }
        answer = context.request.get(number.address, headers=headers)
        route.fulfill(response=answer)

    page.route(number.address, without_the_headers)
    page.goto(number.address)

    expect_question(page, number)
