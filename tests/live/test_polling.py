"""A page stops polling and says why, if the server no longer sends it updates."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect

from tests.live.browser import WINDOWS, in_chromium, keep, signed_in
from tests.live.sandbox import Sandbox
from tests.live.test_accessibility import in_shell

pytestmark = in_chromium

UUID = "33333333-2222-4333-8444-555555555555"
ROWS = f"""
from django.utils import timezone
from datetime import timedelta
from caller.models import Call, Recording
from transcription.models import Transcript
Call.objects.get_or_create(uuid="{UUID}", defaults=dict(
    other_number="+14155557777", our_number="+14155550100", status="ringing",
    next_check_at=timezone.now() + timedelta(minutes=15)))
if not Transcript.objects.exists():
    recording = Recording.objects.create(source="file", status="completed")
    Transcript.objects.create(recording=recording, status="completed", text="Hi",
        next_attempt_at=None)
"""


SUGGESTION = """
from datetime import timedelta
from django.utils import timezone
from transcription.models import Batch, Mistake, Transcript
Mistake.objects.create(heard="Polled", corrected="Pulled", transcripts=2)
keys = [Transcript.objects.values_list("pk", flat=True)[0]]
soon = timezone.now() + timedelta(minutes=4)
# The first batch is leased, so that no worker takes it. The second batch is finished.
Batch.objects.create(heard="Polled", corrected="1", transcripts=keys, leased_until=soon)
Batch.objects.create(heard="Polled", corrected="2", transcripts=keys,
    done=1, finished_at=timezone.now())
"""
FINISH = """
from django.utils import timezone
from transcription.models import Batch
Batch.objects.filter(finished_at=None).update(done=1, finished_at=timezone.now())
"""
DELETE = """
from transcription.models import Batch, Mistake
Batch.objects.all().delete()
Mistake.objects.filter(heard="Polled").delete()
"""


@pytest.fixture(scope="module")
def rows(sandbox: Sandbox) -> None:
    in_shell(sandbox, ROWS)


@pytest.fixture
def context(browser: Browser, sandbox: Sandbox, rows: None) -> Iterator[BrowserContext]:
    with signed_in(browser, sandbox.site) as context:
        # Replace this script by an empty one. With DEBUG, the script shows the error of
        # a failed poll in place of our page, but the tests look at our page.
        context.route("**/django-htmx.js", lambda route: route.fulfill(body=""))
        yield context


def new_page(context: BrowserContext) -> Page:
    page = context.new_page()
    # The page's clock runs as usual, but the function `stops` below can advance it.
    page.clock.install()
    return page


def export_page(context: BrowserContext, sandbox: Sandbox) -> Page:
    page = new_page(context)
    page.goto(f"{sandbox.site}/admin/transcription/transcript/")
    page.get_by_role("checkbox", name="Select all").check()
    page.get_by_role("combobox", name="Action").select_option("export")
    page.get_by_role("button", name="Go").click()
    page.wait_for_load_state()
    return page


def call_page(context: BrowserContext, sandbox: Sandbox) -> Page:
    page = new_page(context)
    page.goto(f"{sandbox.site}/calls/{UUID}/")
    expect(page.locator("#headline")).to_have_text("Ringing")
    return page


def is_poll(request: Request) -> bool:
    return request.method == "GET" and "hx-request" in request.headers


def lose_the_download(page: Page) -> None:
    page.route(
        "**/transcript/",
        lambda route: (
            route.fulfill(status=204)
            if route.request.method == "POST"
            else route.continue_()
        ),
    )


def stops(page: Page) -> bool:
    """Return whether the page sends no poll in the next ten seconds of its clock."""
    sent: list[str] = []
    page.on("request", lambda request: is_poll(request) and sent.append(request.url))
    page.clock.run_for(10_000)
    page.wait_for_timeout(200)
    return not sent


def wait_for_poll(page: Page) -> None:
    with page.expect_request(is_poll):
        page.clock.run_for(10_000)


def test_polling_ends_if_the_download_never_starts(
    context: BrowserContext, sandbox: Sandbox
):
    page = export_page(context, sandbox)
    lose_the_download(page)
    # Change the count of polls from 1 to 199, so that the page gives up at once.
    page.route(
        re.compile(r"/progress/\?asked=1$"),
        lambda route: route.continue_(url=route.request.url + "9" * 2),
    )
    page.get_by_role("button", name="Download").click()

    expect(page.get_by_text("The download did not start.")).to_be_visible()
    expect(page.locator("[data-poll-ended]")).to_be_hidden()
    for width, scheme in WINDOWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        keep(page, f"export-never-began-{width}-{scheme}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (width, scheme)
    assert stops(page)

    # If the button is pressed again, everything starts from the beginning.
    page.unroute_all()
    with page.expect_download():
        page.get_by_role("button", name="Download").click()
    expect(page.get_by_text("Download complete")).to_be_visible()


# {what happens: (HTTP status of the polls, words on the page)}. If the status is None,
# the tests delete the cookies instead.
ENDS = {
    "logged out": (None, "You are logged out"),
    "permission taken": (403, "no longer allowed to see this"),
    "deleted": (404, "was deleted"),
    "gone": (410, "The server refused to refresh this page"),
}


# Two of ENDS are enough: the next test checks the same script with all of ENDS.
@pytest.mark.parametrize("how", ["logged out", "deleted"])
def test_polling_ends_if_the_export_progress_is_unavailable(
    context: BrowserContext, sandbox: Sandbox, how: str
):
    status, words = ENDS[how]
    page = export_page(context, sandbox)
    lose_the_download(page)
    # Wait for the answer to the first poll.
    with page.expect_response("**/progress/**"):
        page.get_by_role("button", name="Download").click()
    if status:
        page.route("**/progress/**", lambda route: route.fulfill(status=status))
    else:
        context.clear_cookies()

    expect(page.get_by_text(words)).to_be_visible()
    keep(page, f"export-ended-{status}")
    assert stops(page)


@pytest.mark.parametrize(("status", "words"), ENDS.values(), ids=ENDS)
def test_polling_ends_if_the_call_page_is_unavailable(
    context: BrowserContext, sandbox: Sandbox, status: int | None, words: str
):
    page = call_page(context, sandbox)
    note = page.locator("#note")
    note.fill("Half a no")
    if status:
        page.route("**/calls/**", lambda route: route.fulfill(status=status))
    else:
        context.clear_cookies()

    expect(page.get_by_text(words)).to_be_visible()
    assert stops(page)
    expect(note).to_have_value("Half a no")
    expect(page.locator("#offline")).to_be_hidden()
    keep(page, f"call-ended-{status}")


def test_polling_continues_after_a_short_server_outage(
    context: BrowserContext, sandbox: Sandbox
):
    page = call_page(context, sandbox)
    page.route("**/calls/**", lambda route: route.abort())
    expect(page.locator("#offline")).to_be_visible()
    page.unroute_all()

    expect(page.locator("#offline")).to_be_hidden()
    wait_for_poll(page)


def test_a_number_that_cannot_be_checked_does_not_end_the_polls(
    context: BrowserContext, sandbox: Sandbox
):
    page = new_page(context)
    page.goto(sandbox.site)
    page.route("**/dial/check/", lambda route: route.fulfill(status=403))
    with page.expect_response("**/dial/check/"):
        page.get_by_label("Number to call").press_sequentially("1415")

    expect(page.locator("[data-poll-ended]")).to_be_hidden()
    wait_for_poll(page)


def test_a_list_of_calls_keeps_the_focus_and_is_replaced_only_if_it_has_changed(
    context: BrowserContext, sandbox: Sandbox
):
    page = new_page(context)
    page.goto(sandbox.site)
    same = page.locator("#recent").evaluate("list => list.outerHTML")
    answers = [same]

    def answer(route: Route) -> None:
        if "hx-request" in route.request.headers:
            route.fulfill(body=answers[-1], content_type="text/html")
        else:
            route.continue_()

    def poll_twice() -> None:
        for _ in range(2):
            with page.expect_response("**/"):
                page.clock.run_for(2000)

    page.route("**/", answer)
    poll_twice()
    link = page.locator(".call-row .number").first
    link.focus()
    page.locator(".call-row .direction").first.select_text()
    poll_twice()

    assert page.evaluate("getSelection().toString()")
    answers.append(same.replace("Ringing", "Still ringing"))
    expect(page.get_by_text("Still ringing").first).to_be_visible()
    expect(link).to_be_focused()


@pytest.fixture
def suggestion(sandbox: Sandbox, rows: None) -> Iterator[str]:
    """Yield the URL of the suggestions' page. One suggestion is being applied."""
    in_shell(sandbox, SUGGESTION)
    yield f"{sandbox.site}/keyword-lists/suggestions/"
    in_shell(sandbox, DELETE)


def test_progress_of_corrections_goes_on_after_a_failed_poll_and_keeps_the_focus(
    context: BrowserContext, sandbox: Sandbox, suggestion: str
):
    page = new_page(context)
    page.goto(suggestion)
    undo = page.get_by_role("button", name="Undo").first
    undo.focus()
    with page.expect_event("requestfailed"):
        page.route("**/corrections/", lambda route: route.abort())
    page.unroute_all()

    expect(page.get_by_role("progressbar", name="Transcripts done")).to_be_visible()
    in_shell(sandbox, FINISH)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(undo).to_be_focused()
    for width, scheme in WINDOWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        keep(page, f"suggestions-polled-{width}-{scheme}")


def test_a_count_of_a_suggestion_is_not_replaced_by_the_login_page(
    context: BrowserContext, suggestion: str
):
    page = new_page(context)
    page.set_viewport_size({"width": 390, "height": 100})
    page.goto(suggestion)
    context.clear_cookies(name="sessionid")
    page.locator(".suggestions [hx-get]").first.scroll_into_view_if_needed()

    expect(page.locator("[data-poll-ended]")).to_contain_text("You are logged out")
    expect(page.get_by_label("Username")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/dial/12/", "Number to call"),
        ("/admin/transcription/vocabulary/1/change/", "Terms"),
    ],
)
def test_a_check_of_typed_text_is_not_replaced_by_the_login_page(
    context: BrowserContext, sandbox: Sandbox, path: str, field: str
):
    page = new_page(context)
    page.goto(sandbox.site + path)
    context.clear_cookies(name="sessionid")
    page.get_by_role("textbox", name=field).press_sequentially("1")

    expect(page.locator("[data-poll-ended]")).to_contain_text("You are logged out")
    expect(page.get_by_label("Username")).to_have_count(0)
    for width, scheme in WINDOWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        keep(page, f"check-logged-out{path.replace('/', '-')}{width}-{scheme}")
