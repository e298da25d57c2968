"""BASE_URL with a path: its consequences, and which paths are refused."""

import io
import threading
from urllib.parse import urlencode

import pytest
from django.core.checks import run_checks
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.urls import set_script_prefix
from twilio.request_validator import RequestValidator

from caller.twilio.callbacks import webhook_url
from djtranscribe.public_urls import public_url
from tests.caller.rows import CALL_SID, CALLS, a_call
from tests.data import load
from tests.djtranscribe.test_settings import values
from tests.security.url_map import addresses
from transcription.assemblyai import payloads
from transcription.models import Transcript

HOST = "https://djtranscribe.example.com"


@pytest.fixture(autouse=True)
def as_before():
    """Reset the prefix after a test, because Django keeps it in the thread."""
    yield
    set_script_prefix("/")


@pytest.fixture
def under(settings):
    """Return a function that puts the site under a path prefix and returns `ask`.

    ask(path) calls the site like a WSGI server. ask returns (status, headers), and
    headers["body"] is the body.
    """

    def configure(prefix):
        settings.BASE_URL = HOST + prefix
        settings.FORCE_SCRIPT_NAME = prefix
        settings.STATIC_URL = f"{prefix}/static/"
        handler = WSGIHandler()

        def ask(path, method="GET", script_name="", body=b"", **headers):
            path, _, query = path.partition("?")
            seen = {}
            environ = {
                "REQUEST_METHOD": method,
                "SCRIPT_NAME": script_name,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "HTTP_HOST": "localhost",
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
                "wsgi.errors": io.StringIO(),
                "wsgi.url_scheme": "http",
                **headers,
            }
            answer = handler(environ, lambda status, fields: seen.update(fields))
            seen["body"] = b"".join(answer).decode()
            answer.close()
            return answer.status_code, seen

        return ask

    return configure


# Settings that depend on BASE_URL

NAMES = ("FORCE_SCRIPT_NAME", "STATIC_URL", "SESSION_COOKIE_PATH", "CSRF_COOKIE_PATH")
COOKIES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME")


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (HOST, [None, "/static/", "/", "/", "sessionid", "csrftoken"]),
        (
            f"{HOST}/calls",
            [
                *("/calls", "/calls/static/", "/calls", "/calls"),
                *("sessionid_calls", "csrftoken_calls"),
            ],
        ),
        (
            f"{HOST}:8443/a/b.c",
            [
                *("/a/b.c", "/a/b.c/static/", "/a/b.c", "/a/b.c"),
                *("sessionid_a_b.c", "csrftoken_a_b.c"),
            ],
        ),
    ],
)
def test_the_settings_follow_from_base_url(base, expected):
    assert values(*NAMES, *COOKIES, BASE_URL=base) == expected


# Which paths are refused


def complaints(settings, path):
    settings.BASE_URL = HOST + path
    return [message for message in run_checks() if message.id == "caller.E004"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/calls",
            "/transcribe",
            "/a/b",
            "/a/b/c",
            "/A-b_c.d~e",
            "/v1.2",
            "/...",
            "/0",
        ),
        *("/recordings", "/transcripts", "/exports", "/webhooks", "/webhooks/twilio"),
        *("/a/admin", "/a/static", "/statics", "/admins", "/dialer", "/.well-known"),
    ],
)
def test_a_path_that_works_is_accepted(settings, path):
    assert complaints(settings, path) == []


@pytest.mark.parametrize(
    "path",
    [
        *("/calls/", "/a/b/", "/", "//", "//calls", "/a//b", "/calls//"),
        *("/calls?", "/calls?a=1", "/calls#", "/calls#a", "?", "#"),
        *(
            "/an rufe",
            "/an%20rufe",
            "/anrufé",
            "/%61",
            "/電話",
            "/a;b",
            "/a:b",
            "/a\\b",
        ),
        *("/a\nb", "/calls\n", "/calls\t", "/.", "/..", "/a/../b", "/./a", "/a/."),
        *("/a'b", '/a"b', "/<a>", "/a@b", "/a,b", "/a+b", "/a*"),
        # The site has pages at these paths.
        *("/admin", "/admin/caller", "/api", "/api/calls", "/dial", "/dial/check"),
        *("/dial/1", "/record", "/record/done", "/search", "/healthz", "/static"),
        *("/static/admin", "/webhooks/twilio/call", "/get-recording-url/x"),
    ],
)
def test_a_path_that_cannot_work_is_refused(settings, path):
    (message,) = complaints(settings, path)

    assert "BASE_URL" in message.msg
    assert message.hint


# Requests through a proxy that keeps or removes the path


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "prefix", ["/calls", "/a/b", "/dialer", "/a/admin", "/webhooks"]
)
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("script_name", ["", "prefix", "/other"])
def test_every_page_is_found_once_under_the_path(under, prefix, kept, script_name):
    ask = under(prefix)
    script_name = prefix if script_name == "prefix" else script_name
    before = prefix if kept else ""
    call = a_call()
    login = f"{prefix}/admin/login/"

    for path in (
        *("/", "/dial/14155551234/", "/admin/", "/search/?q=a%20b", "/api/"),
        f"/calls/{call.uuid}/",
    ):
        status, answer = ask(before + path, script_name=script_name)
        assert status == 302, path
        back = urlencode({"next": prefix + path}, safe="/")
        assert answer["Location"] == f"{login}?{back}", path
    # If the slash at the end is missing, a redirect adds it.
    status, answer = ask(f"{before}/calls/{call.uuid}", script_name=script_name)
    assert (status, answer["Location"]) == (301, f"{prefix}/calls/{call.uuid}/")
    status, answer = ask(f"{before}/static/djtranscribe/site.css")
    assert (status, answer["Content-Type"][:8]) == (200, "text/css")
    status, answer = ask(f"{before}/admin/login/")
    assert f'href="{prefix}/static/djtranscribe/admin.css"' in answer["body"]
    assert ask(f"{before}/healthz")[0] == 200
    status, answer = ask(f"{before}/nothing/")
    assert status == 404
    assert f"<code>{prefix}/dial/14155551234/</code>" in answer["body"]
    status, answer = ask(f"{before}/api/nothing/")
    assert status == 404
    assert f" {prefix}/api/ " in answer["body"]


@pytest.mark.django_db(transaction=True)
def test_the_path_alone_is_the_home_page(under):
    status, answer = under("/calls")("/calls")

    assert (status, answer["Location"]) == (302, "/calls/admin/login/?next=/calls/")


@pytest.mark.django_db(transaction=True)
def test_a_longer_name_is_not_under_the_path(under):
    assert under("/calls")("/callsdial/1/")[0] == 404


def test_every_name_that_our_addresses_begin_with_works_or_is_refused(settings):
    """The site has the page /admin/, so /admin must not be the path of BASE_URL."""
    names = {route.split("/")[1] for route, _ in addresses()} - {""}
    assert {"calls", "admin"} < names

    refused = {name for name in names if complaints(settings, f"/{name}")}

    assert refused == {
        *("accuracy", "admin", "answer", "api", "bridge", "code", "corrections"),
        "costs",
        *("dial", "healthz", "metrics", "password-reset", "phone", "profile"),
        *("record", "search"),
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("prefix", ["/calls", "/webhooks", "/a/b"])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("times", [1, 2])
def test_a_signature_is_checked_over_the_path_once(under, prefix, kept, times):
    ask = under(prefix)
    call = a_call(sid=CALL_SID, status="ringing")
    path = f"/webhooks/twilio/call/?call={call.uuid}"
    fields = load("twilio/status-callback", CallStatus="in-progress")
    url = HOST + prefix * times + path
    signature = RequestValidator("tests-only-token").compute_signature(url, fields)

    status, answer = ask(
        (prefix if kept else "") + path,
        "POST",
        body=urlencode(fields).encode(),
        HTTP_X_TWILIO_SIGNATURE=signature,
    )

    assert status == (204 if times == 1 else 403), answer["body"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", ["", "/calls"])
def test_plain_http_is_redirected_under_the_path_but_not_webhooks(
    under, settings, before
):
    settings.SECURE_SSL_REDIRECT = True
    (settings.SECURE_REDIRECT_EXEMPT,) = values(
        "SECURE_REDIRECT_EXEMPT", BASE_URL=f"{HOST}/calls"
    )
    ask = under("/calls")

    status, answer = ask(f"{before}/dial/1/")
    assert (status, answer["Location"]) == (301, f"{HOST}/calls/dial/1/")
    assert ask(f"{before}/webhooks/twilio/call/", "POST")[0] == 403
    assert ask(f"{before}/record/", "POST")[0] == 403
    assert ask(f"{before}/healthz")[0] == 200


@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_fault_leads_home_under_the_path(under, monkeypatch):
    ask = under("/calls")
    monkeypatch.setattr("djtranscribe.webhooks.ledger.too_large", lambda request: 1 / 0)

    status, answer = ask("/record/", "POST")

    assert status == 500
    assert 'href="/calls/"' in answer["body"]
    assert 'href="/calls/static/djtranscribe/site.css"' in answer["body"]
    assert 'href="/"' not in answer["body"]


# URLs that we give to others


@pytest.mark.django_db
@pytest.mark.parametrize("prefix", ["/calls", "/webhooks", "/a/b"])
def test_callbacks_contain_the_path_once_in_every_thread(settings, prefix):
    """Django keeps the prefix per thread, so a worker's threads do not know it."""
    settings.BASE_URL = HOST + prefix
    settings.FORCE_SCRIPT_NAME = prefix
    set_script_prefix(prefix)
    call = a_call()
    recording = call.recordings.create(sid="RE" + "1" * 32, status="completed")
    transcript = Transcript(recording=recording)
    made = []

    def make():
        made.append(webhook_url("caller:record", call.uuid))
        made.append(payloads.request_body(transcript)["webhook_url"])
        made.append(public_url(call.get_absolute_url()))

    make()
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()

    assert made == 2 * [
        f"{HOST}{prefix}/record/?call={call.uuid}#rc=3&rp=all",
        f"{HOST}{prefix}/webhooks/assemblyai/{transcript.uuid}/",
        f"{HOST}{prefix}/calls/{call.uuid}/",
    ]


@pytest.mark.django_db
def test_a_script_name_without_a_path_in_base_url_is_kept_as_before():
    set_script_prefix("/calls")

    assert public_url("/calls/record/") == f"{HOST}/calls/record/"


@pytest.mark.django_db(transaction=True)
def test_the_dial_command_prints_the_path_once(settings, vendors, operator, capsys):
    settings.BASE_URL = f"{HOST}/calls"
    set_script_prefix("/calls")
    vendors.post(CALLS, json=load("twilio/call"), status=201)

    call_command("dial", "14155551234", "--operator", operator.username)

    assert capsys.readouterr().out.startswith(f"{HOST}/calls/calls/")


@pytest.mark.django_db
def test_no_cookie_is_set_for_the_whole_host(settings, admin_client):
    """Test the cookies of the session, of the CSRF token and of admin's messages."""
    settings.SESSION_COOKIE_PATH = settings.CSRF_COOKIE_PATH = "/calls"
    url = "/admin/caller/donotcall/add/"
    paths = {}

    for answer in (
        admin_client.get(url),
        admin_client.post(url, {"number": "+14155551234", "reason": "asked"}),
    ):
        paths |= {name: morsel["path"] for name, morsel in answer.cookies.items()}

    assert answer.status_code == 302
    assert "messages" not in paths
    assert set(paths.values()) == {"/calls"}
    assert "was added" in admin_client.get("/admin/caller/donotcall/").text
