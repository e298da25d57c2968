"""axe-core finds no violation on any page, and no page is wider than its window.

The tests use light and dark colors, and the widths of a desktop and of a phone.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.live.browser import WINDOWS, in_chromium, keep, signed_in
from tests.live.operator import operator_of
from tests.live.sandbox import ROOT, Sandbox

pytestmark = in_chromium

# End all transitions. Otherwise axe would measure a color that still changes.
END_TRANSITIONS = """document.getAnimations()
    .filter(each => each instanceof CSSTransition)
    .forEach(each => each.finish())"""
AXE = Axe().axe_script
WCAG_2_2_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = [
    "/",
    "/dial/?number=1415",
    "/dial/14155551200/",
    "/dial/12/",
    "/search/",
    "/phone/",
    "/profile/",
    "/password-reset/",
    "/password-reset/MQ/a-b/",
    '/search/?q="nothing says this"',
    "/search/?q=the",
    "/search/?q=-the",
    "/accuracy/",
    "/costs/",
    "/keyword-lists/suggestions/",
    "/transcripts/11111111-2222-4333-8444-555555555555/compare/",
    "/transcripts/11111111-2222-4333-8444-555555555555/history/",
    "/transcripts/11111111-2222-4333-8444-555555555555/print/",
    '/search/?q=tag:"nothing like this"',
    "/search/?q=by:operator",
    "/search/?q=note",
    "/?whose=mine",
    "/contacts/import/",
    "/deletions/70001/",
    "/admin/caller/contact/add/",
    "/admin/caller/contact/?q=zzz",
    "/api/",
    "/admin/",
    "/admin/caller/",
    "/admin/caller/call/?q=99999",
    "/admin/caller/donotcall/add/",
    "/admin/transcription/transcript/?attention=stuck",
    "/admin/transcription/transcript/?q=zzz",
    "/admin/transcription/vocabulary/add/",
    "/admin/transcription/vocabulary/1/change/",
    "/admin/transcription/vocabulary/1/delete/",
    "/admin/transcription/vocabulary/1/history/",
    "/admin/djtranscribe/apitoken/add/",
    "/admin/djtranscribe/webhookdelivery/?verdict=deferred",
    "/admin/password_change/",
    # Check only these lists: the forms have fields of Django that break the rules.
    "/admin/auth/user/",
    "/admin/auth/group/",
]
# The test opens each list, and the page of its first row.
LISTS = [
    "/admin/caller/call/",
    "/admin/caller/recording/",
    "/admin/caller/donotcall/",
    "/admin/caller/contact/",
    "/admin/caller/tag/",
    "/admin/transcription/transcript/",
    "/admin/transcription/vocabulary/",
    "/admin/transcription/notification/",
    "/admin/transcription/export/",
    "/admin/transcription/deletion/",
    "/admin/djtranscribe/webhookdelivery/",
    "/admin/djtranscribe/access/",
    "/admin/djtranscribe/apitoken/",
    "/admin/djtranscribe/vendorpause/",
    "/admin/djtranscribe/profile/",
]
# Create rows that no dialled call creates. Their texts are very long.
ROWS = """
from django.contrib.auth.models import User
from django.utils import timezone
from caller.models import Contact, ContactNumber, DoNotCall, Note, Tag
from djtranscribe.models import Profile, VendorPause
from transcription.models import (
    Batch, Deletion, Export, Mistake, Notification, Transcript, Vocabulary
)
from transcription.review import editing
from transcription.review.current import Change

user = User.objects.create(username="w" * 150, is_staff=True)
failed = Transcript.objects.get(recording__call__other_number="+14155551297")
failed.fail("A reason that is long. " * 13, text="", words=[], confidence=None)
Notification.objects.create(
    transcript=failed, about=failed.uuid, kind="webhook", event="transcript.failed",
    finished_at=timezone.now(), facts={"error": failed.error}, state="given-up",
    answer="Given up after 9 attempts. " * 12, next_attempt_at=None,
)
old = Transcript.objects.get(recording__call__other_number="+14155551298")
new = Transcript.objects.create(
    uuid="11111111-2222-4333-8444-555555555555", recording=old.recording,
    status="completed", text="Another text. " * 30, next_attempt_at=None,
    vocabulary_id=1, vocabulary_version=1, model_used="m" * 40,
)
editing.save(old, user, 0, [Change(0, 2, "Other words")])
editing.verify(old, user)
for month in (9, 10):
    Transcript.objects.filter(pk=new.pk).update(created_at=timezone.now().replace(
        month=month, day=1))
Vocabulary.objects.create(name="v" * 80)
Mistake.objects.create(heard="h" * 200, corrected="h" * 199, transcripts=3)
Batch.objects.create(heard="h" * 200, corrected="c" * 200, transcripts=[1, 2])
Profile.objects.create(user=user, time_zone="America/Argentina/ComodRivadavia")
contact = Contact.objects.create(name="n" * 120, vocabulary_id=1)
ContactNumber.objects.create(contact=contact, number="+14155551298", label="l" * 40)
call = old.recording.call
call.tags.add(*(Tag.objects.get_or_create_by_name(f"{n}" + "t" * 38) for n in range(9)))
Note.objects.create(call=call, author=user, text="A note. " + "n" * 300)
Export.objects.create(user=user, kind="One table (CSV)", total=10, sent=4)
Deletion.objects.create(
    pk=70001, reason="retention", counts={"texts": 12_000, "audio files": 9},
    problem="Twilio refuses. " * 20, finished_at=timezone.now(),
)
DoNotCall.objects.create(number="+14155559999", reason="She asked for it. " * 11)
VendorPause.objects.create(vendor="nobody", reason="No such vendor. " * 20,
    probe_at=timezone.now())
"""


@pytest.fixture(scope="module")
def calls(sandbox: Sandbox) -> Iterator[list[str]]:
    """Yield the paths of the pages of calls that ended in different ways."""
    operator = operator_of(sandbox.site)
    transcribed = operator.dial("14155551298")
    operator.text_of(transcribed)
    failed = operator.dial("14155551297")
    operator.text_of(failed)
    operator.post("/admin/djtranscribe/apitoken/add/", {"user": "1", "name": "n" * 80})
    in_shell(sandbox, ROWS)
    yield [
        *(transcribed, failed),
        *map(operator.dial, ["14155550001", "14155550002", "14155550006"]),
    ]
    in_shell(
        sandbox,
        "from djtranscribe.models import VendorPause;"
        "VendorPause.objects.filter(vendor='nobody').delete()",
    )


def in_shell(sandbox: Sandbox, code: str) -> None:
    database = f"sqlite:///{sandbox.directory / 'db.sqlite3'}"
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DEBUG": "true", "DATABASE_URL": database},
        capture_output=True,
        timeout=120,
        check=True,
    )


@pytest.fixture
def context(browser: Browser, sandbox: Sandbox) -> Iterator[BrowserContext]:
    # Allow the script of axe-core, which our Content-Security-Policy forbids.
    with signed_in(browser, sandbox.site, bypass_csp=True) as context:
        yield context


def violations(page: Page) -> list[str]:
    """Return what is wrong with the page, in each of WINDOWS."""
    rules = list(WCAG_2_2_AA)
    if "/admin/" not in page.url:
        # Templates of Django's admin break some of these rules. Ours do not.
        rules.append("best-practice")
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    page.evaluate(AXE)
    name = re.sub(r"\W+", "-", page.url.split("/", 3)[3]).strip("-") or "home"
    wrong = []
    for width, scheme in WINDOWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(END_TRANSITIONS)
        keep(page, f"{name}-{width}-{scheme}")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            wrong.append(f"{wide} px wider than a window of {width} px")
        wrong += [
            f"{rule['id']}: {node['html'][:120]} "
            f"({scheme}, {node.get('failureSummary', '')[:200]})"
            for rule in page.evaluate("axe.run", options)["violations"]
            for node in rule["nodes"]
        ]
    return wrong


def test_pages_have_no_accessibility_violation(
    context: BrowserContext, sandbox: Sandbox, calls: list[str]
):
    page = context.new_page()
    # Collect the violations of all pages first, so that one run reports all of them.
    wrong = {}

    for path in [*PAGES, *calls, f"{calls[0]}number/", f"{calls[0]}person/"]:
        page.goto(sandbox.site + path)
        wrong[path] = violations(page)
    for path in LISTS:
        page.goto(sandbox.site + path)
        wrong[path] = violations(page)
        page.locator("#result_list tbody th a").first.click()
        page.wait_for_load_state()
        wrong[page.url.removeprefix(sandbox.site)] = violations(page)

    assert {path: found for path, found in wrong.items() if found} == {}


def test_pages_behind_buttons_have_no_accessibility_violation(
    context: BrowserContext, sandbox: Sandbox, calls: list[str]
):
    page = context.new_page()
    wrong = {}

    for path, action in [
        ("/admin/transcription/transcript/", "export"),
        ("/admin/caller/donotcall/", "delete_selected"),
    ]:
        page.goto(sandbox.site + path)
        page.get_by_role("checkbox", name="Select all").check()
        page.get_by_role("combobox", name="Action").select_option(action)
        page.get_by_role("button", name="Go").click()
        page.wait_for_load_state()
        wrong[action] = violations(page)
        if action == "export":
            page.get_by_role("button", name="Download").click()
            page.get_by_text("Download complete").wait_for()
            wrong["exported"] = violations(page)
    for path in ("caller/call", "transcription/transcript"):
        page.goto(f"{sandbox.site}/admin/{path}/?state=done&length=seconds")
        page.locator(".filters > details > summary").click()
        for exact in page.locator(".filter summary").all():
            exact.click()
        wrong[f"filters of {path}"] = violations(page)
    page.goto(f"{sandbox.site}/search/?q=the")
    page.get_by_text("How to search").click()
    page.locator(".result summary").first.click()
    wrong["searching"] = violations(page)
    page.goto(f"{sandbox.site}/")
    page.get_by_label("Number to call").fill("33142685300")
    page.locator("#number-check .wrong").wait_for()
    page.get_by_text("as a table").click()
    wrong["dialling"] = violations(page)
    page.goto(f"{sandbox.site}/admin/djtranscribe/apitoken/add/")
    page.get_by_label("Name").fill(str(uuid4()))
    page.get_by_role("button", name="Save").click()
    page.get_by_text("it is not shown again").wait_for()
    wrong["new token"] = violations(page)

    assert {name: found for name, found in wrong.items() if found} == {}


def test_transcript_has_no_accessibility_violation_while_it_is_corrected(
    context: BrowserContext, sandbox: Sandbox
):
    page = context.new_page()
    wrong = {}

    operator = operator_of(sandbox.site)
    call = operator.dial("14155551296")
    operator.text_of(call)
    page.goto(sandbox.site + call)
    page.get_by_role("button", name="Keyboard shortcuts", exact=True).click()
    wrong["keys"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(".turn-text > span").first.dblclick()
    page.locator(".turn-text > input").fill("Corrected")
    page.keyboard.press("Enter")
    expect(page.locator("#saved")).to_have_text("Saved.")
    for number, place in enumerate(("on the call's page", "in admin"), start=1):
        page.get_by_role("button", name="Next word").click()
        page.locator("audio").evaluate("audio => audio.pause()")
        wrong[f"listening {place}"] = violations(page)
        for panel in page.locator("#viewer summary").all():
            panel.click()
        expect(page.locator(".revisions")).to_be_visible()
        page.locator(".turn-text > span").nth(2).dblclick()
        page.locator(".turn-text > input").fill("<b>refused</b>")
        page.keyboard.press("Enter")
        refused = page.locator("#refused li", has_text="plain text")
        expect(refused).to_have_count(number)
        page.locator(".turn-text > span").nth(3).dblclick()
        page.locator(".turn-text > input").wait_for()
        wrong[f"correcting {place}"] = violations(page)
        page.keyboard.press("Escape")
        if place != "in admin":
            page.get_by_role("link", name="Transcript in admin").click()
            page.get_by_role("button", name="Next").wait_for()

    assert {name: found for name, found in wrong.items() if found} == {}


def test_login_page_has_no_accessibility_violation(browser: Browser, sandbox: Sandbox):
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{sandbox.site}/")

    assert violations(page) == []
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()
    assert violations(page) == []
    context.close()
