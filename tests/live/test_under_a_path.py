"""The site under a path of its host, behind nginx: calls, webhooks, links."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests.chaos.databases import SqliteMaker
from tests.chaos.house import House
from tests.chaos.vendors import AssemblyAI, Twilio, running
from tests.chaos.waiting import free_port, until
from tests.live.nginx import needs_nginx, nginx
from tests.live.operator import Operator

pytestmark = [pytest.mark.slow, needs_nginx]

HEADER = "proxy_set_header SCRIPT_NAME {};"
PASSWORD = """
from django.contrib.auth.models import User
user = User.objects.get(username="operator")
user.set_password("sandbox")
user.save()
"""
# With the prefix /calls, the page of a call is /calls/calls/<uuid>/. Only the first
# /calls may be removed.
SET_UPS = {
    "SCRIPT_NAME as a header": ("/calls", False, HEADER.format("/calls"), {}),
    "nginx strips two names": ("/team.a/our-calls", True, "", {}),
    "SCRIPT_NAME in the environment": ("/calls", False, "", {"SCRIPT_NAME": "/calls"}),
    "nginx keeps two names": ("/team.a/our-calls", False, "", {}),
}
# In these set-ups, the tests dial a call. The other set-ups need no worker.
WITH_A_CALL = list(SET_UPS)[:2]
LINK = re.compile(r'\s(?:href|src|action|hx-get|hx-post)="([^"#]+)')
PAGES = ("/", "/dial/14155551234/", "/search/?q=call", "/api/", "/admin/")
LISTS = ("/admin/caller/call/", "/admin/transcription/transcript/")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory) -> Iterator[tuple[Twilio, AssemblyAI]]:
    folder = tmp_path_factory.mktemp("stand-ins")
    with ExitStack() as stack:
        twilio, assemblyai = (
            stack.enter_context(running(folder, name))
            for name in ("twilio", "assemblyai")
        )
        yield Twilio(twilio), AssemblyAI(assemblyai)


@pytest.fixture(scope="module")
def maker(tmp_path_factory) -> SqliteMaker:
    return SqliteMaker(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module", params=SET_UPS)
def site(request, stand_ins, maker, tmp_path_factory) -> Iterator[House]:
    prefix, strips, more, environ = SET_UPS[request.param]
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    for stand_in in stand_ins:
        stand_in.forget()
    with ExitStack() as stack:
        database = stack.enter_context(maker.fresh(folder))
        base = f"http://127.0.0.1:{port}{prefix}"
        house = House(folder, database, *stand_ins, BASE_URL=base)
        stack.callback(house.stop)
        house.site = base
        house.manage("shell", "--no-imports", "--command", PASSWORD)
        house.start_web(environ=environ)
        if request.param in WITH_A_CALL:
            house.start_worker()
        files = folder / "nginx"
        files.mkdir()
        stack.enter_context(nginx(files, port, house.port, prefix, strips, more))
        yield house


def links(text: str, url: str) -> set[str]:
    found = {urljoin(url, unescape(link)) for link in LINK.findall(text)}
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    return {link for link in found if link.startswith(origin)}


def accepted(stand_in):
    return [each for each in stand_in.deliveries() if each["status"] in (200, 204)]


def assert_links_lead_under_the_path(operator, paths):
    """Open each page, and each page that it links to."""
    seen = set()
    for path in paths:
        answer = operator.get(path)
        assert answer.status_code == 200, path
        assert answer.url == operator.site + path
        seen |= links(answer.text, answer.url)
    assert len(seen) > 30
    for link in sorted(seen):
        assert link.startswith(f"{operator.site}/"), link
        answer = operator.session.get(link, timeout=20)
        # 405: this URL only accepts POST. 400: /dial/ without a number.
        statuses = (400,) if link == f"{operator.site}/dial/" else (200, 405)
        assert answer.status_code in statuses, link
        assert answer.url.startswith(f"{operator.site}/"), (link, answer.url)


@pytest.mark.parametrize("site", WITH_A_CALL, indirect=True, scope="module")
def test_a_call_is_dialled_signed_and_transcribed(site, stand_ins):
    operator = Operator(site.site)

    call_page = operator.dial("14155551234")
    assert re.fullmatch(r"/calls/[0-9a-f-]{36}/", call_page)
    assert operator.text_of(call_page)

    # Each callback URL contains the path exactly once.
    for stand_in, at_least in zip(stand_ins, (5, 1), strict=True):
        until(
            "deliveries are accepted",
            lambda each=stand_in, least=at_least: len(accepted(each)) >= least,
        )
        for delivery in stand_in.deliveries():
            assert delivery["url"].startswith((f"{site.site}/w", f"{site.site}/record"))
            # 503: the webhook came before the job's id was stored. The vendor retries.
            assert delivery["status"] in (200, 204, 503), delivery
    verdicts = site.database.rows("SELECT verdict FROM djtranscribe_webhookdelivery")
    assert {row["verdict"] for row in verdicts} <= {"accepted", "deferred"}

    assert_links_lead_under_the_path(operator, [*LISTS, call_page])


def test_pages_and_api_are_under_the_path(site):
    operator = Operator(site.site)
    prefix = urlsplit(site.site).path

    assert_links_lead_under_the_path(operator, PAGES)
    # Cookies are limited to the path.
    assert {cookie.path for cookie in operator.session.cookies} == {prefix}

    # The OpenAPI document has the right URL of the API.
    document = operator.get("/api/openapi.json").json()
    assert document["servers"] == [{"url": site.site}]
    assert "/api/calls" in document["paths"]
    assert f"{site.site}/api/calls" in operator.get("/api/").text
    assert requests.get(f"{site.site}/api/calls", timeout=20).status_code == 401


def test_login_forged_webhooks_and_wrong_urls_are_handled_under_a_path(site):
    session = requests.Session()
    session.trust_env = False
    prefix = urlsplit(site.site).path

    # After the login, the browser returns to a page under the path.
    answer = session.get(f"{site.site}/search/?q=a", timeout=20)
    assert answer.url.startswith(f"{site.site}/admin/login/?next={prefix}/search/")
    # Two URLs without their last slash: Django adds the first slash, nginx the second.
    assert session.get(f"{site.site}/dial", timeout=20).url.startswith(site.site)
    assert session.get(site.site, timeout=20).url.startswith(f"{site.site}/admin/")
    # The answer to a forged webhook contains the complete URL.
    url = f"{site.site}/webhooks/twilio/call/"
    answer = session.post(
        url, {"CallSid": "CA"}, headers={"X-Twilio-Signature": "x"}, timeout=20
    )
    assert answer.status_code == 403
    assert f"does not match {url}, the URL that we checked" in answer.text
    # URLs outside the path belong to somebody else.
    origin = site.site.removesuffix(prefix)
    assert "outside" in session.get(f"{origin}/dial/1/", timeout=20).text
    assert "outside" in session.get(f"{site.site}x/dial/1/", timeout=20).text
    assert session.get(f"{site.site}/healthz", timeout=20).json()["ok"]
    assert session.get(f"{site.site}/nothing/", timeout=20).status_code == 404
