"""Headers of proxies, headers for browsers, and protection of the login."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from twilio.request_validator import RequestValidator

from djtranscribe.models import Access, WebhookDelivery
from tests.caller.rows import CALL_SID, a_call, call_path
from tests.data import load
from tests.security.url_map import addresses, finish
from tests.test_every_page import PAGES, ROW, client_of, rows  # noqa: F401

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "djtranscribe.example.com"
FORM = "application/x-www-form-urlencoded"


# Signatures are valid behind all kinds of proxies

SET_UPS = {
    "ngrok": {
        "Host": PUBLIC,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": PUBLIC,
        "X-Forwarded-For": "54.172.60.1",
    },
    "ngrok that rewrites the host": {
        "Host": "localhost:8000",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": PUBLIC,
    },
    "nginx that names the inner host": {
        "Host": "127.0.0.1:8000",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "54.172.60.1",
    },
    "a load balancer": {
        "Host": PUBLIC,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Forwarded-For": "54.172.60.1, 10.0.0.7",
    },
    "two proxies, one behind the other": {
        "Host": PUBLIC,
        "X-Forwarded-Proto": "https, http",
        "X-Forwarded-Host": f"{PUBLIC}, inner",
    },
    "a host with its port": {"Host": f"{PUBLIC}:443", "X-Forwarded-Proto": "https"},
    "a host in capitals": {"Host": PUBLIC.upper(), "X-Forwarded-Proto": "https"},
    "another outer port": {
        "Host": PUBLIC,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "8443",
    },
    "a proxy that lies about the host": {
        "Host": PUBLIC,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example;proto=http",
    },
    # nginx with only proxy_pass does this: the request looks like plain http.
    "a proxy that says nothing": {"Host": "127.0.0.1:8000"},
}


def signed(path, fields, base=f"https://{PUBLIC}", token="tests-only-token"):
    signature = RequestValidator(token).compute_signature(base + path, fields)
    return {"X-Twilio-Signature": signature}


@pytest.fixture
def as_deployed(settings):
    """Redirect http to https. Other tests run without this redirect."""
    settings.SECURE_SSL_REDIRECT = True


@pytest.fixture
def tell(client):
    """Return a function that sends Twilio's status webhook with additional headers."""
    call = a_call(sid=CALL_SID, status="ringing")
    path = call_path(call)
    fields = load("twilio/status-callback", CallStatus="in-progress")

    def post(headers, **signing):
        return client.post(
            path,
            urlencode(fields),
            content_type=FORM,
            headers={**signed(path, fields, **signing), **headers},
        )

    return post


@pytest.mark.parametrize("set_up", SET_UPS)
def test_signature_is_accepted_behind_every_proxy(as_deployed, tell, set_up):
    answer = tell(SET_UPS[set_up])

    assert answer.status_code == 204
    assert WebhookDelivery.objects.get().verdict == "accepted"


@pytest.mark.parametrize(
    "base",
    [
        f"https://{PUBLIC}:8443",
        f"https://{PUBLIC}/calls",
        "https://xn--bcher-kva.example",
    ],
)
def test_signature_is_checked_against_base_url(tell, settings, base):
    settings.BASE_URL = base

    assert tell({"Host": "localhost"}, base=base).status_code == 204


@pytest.mark.parametrize("set_up", SET_UPS)
def test_forwarding_headers_cannot_change_the_signed_url(tell, set_up):
    for headers in (
        {"X-Forwarded-Host": "other.example"},
        {"Forwarded": "host=other.example;proto=https"},
        {"X-Original-URL": "https://other.example/"},
    ):
        answer = tell({**SET_UPS[set_up], **headers}, base="https://other.example")
        assert answer.status_code == 403


def test_the_ledger_names_the_address_that_we_checked_and_the_one_that_we_saw(tell):
    tell({"Host": "localhost:8000"}, base="https://old.ngrok.app")

    delivery = WebhookDelivery.objects.get()
    assert delivery.verdict == "refused"
    assert f"https://{PUBLIC}/webhooks/twilio/call/, the URL that we checked" in (
        delivery.reason
    )
    assert "received as http://localhost/webhooks/twilio/call/" in (
        delivery.reason.replace("localhost:8000", "localhost")
    )
    assert "set BASE_URL" in delivery.reason
    for secret in ("tests-only-token", "call=", "5551234"):
        assert secret not in delivery.reason


def test_supervisor_sees_the_refusal_reason_in_admin(tell):
    tell({"Host": "localhost:8000"}, base="https://old.ngrok.app")

    page = client_of("supervisor").get("/admin/djtranscribe/webhookdelivery/").text

    assert "set BASE_URL" in page


# Secrets are rotated without losing a webhook


def test_webhooks_signed_with_an_older_token_are_taken_while_it_is_listed(
    tell, settings
):
    settings.TWILIO_AUTH_TOKEN = "new"
    settings.TWILIO_AUTH_TOKEN_FALLBACKS = ["older", "oldest"]

    answers = [
        tell({}, token=token).status_code for token in ("new", "older", "oldest")
    ]
    settings.TWILIO_AUTH_TOKEN_FALLBACKS = []

    assert answers == [204, 204, 204]
    assert tell({}, token="older").status_code == 403


# Bodies have a limit


@pytest.mark.parametrize(
    ("size", "status"), [(64 * 1024, 204), (64 * 1024 + 1, 403), (10_000_000, 403)]
)
def test_a_webhook_takes_64_kilobytes_and_no_more(client, size, status):
    call = a_call(sid=CALL_SID, status="ringing")
    path, fields = call_path(call), load("twilio/status-callback")
    fields["Filler"] = ""
    fields["Filler"] = "x" * (size - len(urlencode(fields)))

    answer = client.post(
        path, urlencode(fields), content_type=FORM, headers=signed(path, fields)
    )

    assert answer.status_code == status
    assert ("larger than" in answer.text) is (status == 403)


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "٣", "1e3", "0x10", " 7"])
@pytest.mark.parametrize("path", ["/record/", "/webhooks/twilio/call/"])
def test_invalid_content_length_causes_no_server_error(path, length):
    client = Client(raise_request_exception=False)

    answer = client.post(path, "a=1", content_type=FORM, CONTENT_LENGTH=length)

    assert answer.status_code < 500


def test_a_form_of_three_megabytes_is_refused(client):
    answer = client.post(
        "/admin/login/", urlencode({"username": "x" * 3_000_000}), content_type=FORM
    )

    assert answer.status_code == 400


# Security headers of all responses


def policy(answer):
    return dict(
        part.strip().partition(" ")[::2]
        for part in answer["Content-Security-Policy"].split(";")
    )


def assert_strict(answer, where):
    assert answer["X-Content-Type-Options"] == "nosniff", where
    assert answer["Referrer-Policy"] == "same-origin", where
    assert answer["X-Frame-Options"] == "DENY", where
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", where
    # Leave out includeSubDomains: subdomains may be other sites, without https.
    assert answer["Strict-Transport-Security"] == "max-age=31536000", where
    rules = policy(answer)
    assert rules["default-src"] == "'none'", where
    assert rules["frame-ancestors"] == "'none'", where
    assert rules["base-uri"] == "'none'", where
    assert rules["form-action"] == "'self'", where
    assert rules["script-src"] == rules["style-src"] == "'self'", where
    assert "unsafe" not in answer["Content-Security-Policy"], where
    assert "http" not in answer["Content-Security-Policy"], where


@pytest.mark.parametrize("who", ["stranger", "nobody", "supervisor"])
def test_every_page_has_strict_security_headers(rows, who):  # noqa: F811
    client = client_of(who)

    for route, page in PAGES.items():
        if route != "/admin/logout/":
            answer = client.get(page.example or route, secure=True)
            assert_strict(answer, route)
            finish(answer)


def test_every_admin_table_has_strict_security_headers(rows):  # noqa: F811
    User.objects.create_superuser("root")
    client = Client()
    client.force_login(User.objects.get(username="root"))

    for route, _ in addresses():
        if route.startswith("/admin/") and route.count("/") == 4 and "<" not in route:
            answer = client.get(route, secure=True)
            assert_strict(answer, route)
            assert_nothing_inline(answer, route)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing/", 404),
        ("/dial/12/", 400),
        ("/recordings/999/audio/", 404),
        ("/webhooks/twilio/call/", 405),
        ("/static/nothing.css", 404),
    ],
)
def test_error_responses_have_strict_security_headers(path, status):
    answer = client_of("supervisor").get(path, secure=True)
    finish(answer)

    assert answer.status_code == status
    assert_strict(answer, path)


def test_static_file_has_strict_security_headers(client):
    answer = client.get("/static/djtranscribe/site.css", secure=True)
    finish(answer)

    assert answer.status_code == 200
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert policy(answer)["frame-ancestors"] == "'none'"
    assert "max-age=31536000" in answer["Strict-Transport-Security"]


def test_server_error_page_has_strict_security_headers(monkeypatch):
    client = client_of("supervisor")
    client.raise_request_exception = False
    monkeypatch.setattr("caller.dashboard.needs_attention", lambda: 1 / 0)

    answer = client.get("/", secure=True)

    assert answer.status_code == 500
    assert_strict(answer, "500")
    assert "division" not in answer.text


def test_a_host_that_is_not_ours_is_refused_as_strictly(client):
    answer = client.get("/", secure=True, headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "evil.example" not in answer.text


INLINE = re.compile(
    r"<script(?![^>]*\ssrc=)(?![^>]*type=.application/json)[^>]*>\s*\S"
    r"|<style|\sstyle=|\son[a-z]+\s*=|javascript:",
    re.IGNORECASE,
)


def assert_nothing_inline(answer, where):
    found = INLINE.search(answer.text)
    assert not found, (where, answer.text[found.start() : found.start() + 80])


@pytest.mark.parametrize("who", ["stranger", "supervisor"])
def test_pages_contain_no_inline_code(rows, who):  # noqa: F811
    client = client_of(who)

    files = {"/recordings/<int:pk>/audio/", "/calls/<uuid:uuid>/person/export/"}
    for route, page in PAGES.items():
        if route not in {"/admin/logout/", *files}:
            assert_nothing_inline(client.get(page.example or route), route)


@pytest.mark.parametrize(
    ("who", "method"),
    [
        ("stranger", "get"),
        ("operator", "get"),
        ("supervisor", "get"),
        ("supervisor", "head"),
    ],
)
def test_no_response_is_stored_but_the_audio_by_the_browser(rows, who, method):  # noqa: F811
    client = client_of(who)

    for route, page in PAGES.items():
        answer = getattr(client, method)(page.example or route)
        finish(answer)
        kept = answer["Cache-Control"]
        if "/audio/" in route and answer.status_code == 200:
            assert kept == "private, max-age=3600", route
        else:
            assert {"private", "no-store"} <= set(kept.split(", ")), route


def test_a_part_of_the_audio_may_be_kept_like_the_whole(rows):  # noqa: F811
    path = PAGES["/recordings/<int:pk>/audio/"].example

    answer = client_of("operator").get(path, headers={"Range": "bytes=0-3"})

    finish(answer)
    assert answer.status_code == 206
    assert answer["Cache-Control"] == "private, max-age=3600"


def test_signing_out_clears_the_cache(rows):  # noqa: F811
    answer = client_of("operator").post("/admin/logout/")

    assert answer["Clear-Site-Data"] == '"cache"'


# Prefetching


PREFETCH = {"Sec-Purpose": "prefetch"}


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_prefetch_reads_nothing_and_takes_no_message(rows, method):  # noqa: F811
    client = client_of("supervisor")
    transcript = f"/admin/transcription/transcript/{ROW}/change/"
    client.post("/profile/", {"time_zone": "Asia/Tokyo"})
    before = Access.objects.count()

    pages = [page.example or route for route, page in PAGES.items()]
    for path in [transcript, *pages]:
        answer = getattr(client, method)(path, headers=PREFETCH)
        finish(answer)
        # Three pages answer a prefetch: /dial/ shows its button but does not dial, and
        # the other two are for machines.
        machines = ("/healthz", "/metrics")
        if not path.startswith(("/dial/1", *machines)) and answer.status_code != 405:
            assert answer.status_code == 403, path

    assert Access.objects.count() == before
    assert "Your profile is saved." in client.get("/").text


@pytest.mark.parametrize(
    "header",
    [
        PREFETCH,
        {"Purpose": "prefetch"},
        {"X-Purpose": "preview"},
        {"X-Moz": "prefetch"},
        {"Next-Router-Prefetch": "1"},
    ],
)
def test_each_browsers_prefetch_header_is_known(header):
    assert client_of("operator").get("/", headers=header).status_code == 403


# Cookies


def test_cookies_travel_over_https_only_and_not_from_other_sites():
    User.objects.create_user("ada", password="secret", is_staff=True)
    client = Client()
    client.get("/admin/login/", secure=True)

    answer = client.post(
        "/admin/login/", {"username": "ada", "password": "secret"}, secure=True
    )

    assert answer.status_code == 302
    session, token = answer.cookies["sessionid"], answer.cookies["csrftoken"]
    assert session["secure"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert not session["domain"]
    assert token["secure"]
    assert token["samesite"] in ("Lax", "Strict")


def test_signing_in_gives_a_new_session(client):
    User.objects.create_user("ada", password="secret", is_staff=True)
    client.cookies["sessionid"] = planted = "a" * 32

    client.post("/admin/login/", {"username": "ada", "password": "secret"})

    assert client.cookies["sessionid"].value != planted


def test_plain_http_is_sent_to_https_and_only_to_our_own_address(as_deployed, client):
    for host in ("localhost", PUBLIC):
        answer = client.get("/dial/14155551234/", headers={"Host": host})
        assert answer.status_code == 301
        assert answer["Location"] == f"https://{PUBLIC}/dial/14155551234/"


def test_a_monitor_on_this_machine_needs_no_https(as_deployed, client):
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "to",
    ["https://evil.example/", "//evil.example/", "\\\\evil.example", "javascript:1"],
)
def test_login_does_not_redirect_to_other_sites(client, to):
    User.objects.create_user("ada", password="secret", is_staff=True)

    answer = client.post(
        "/admin/login/", {"username": "ada", "password": "secret", "next": to}
    )

    assert answer["Location"] == "/"


# check --deploy


def test_djangos_own_examination_of_a_deployment_finds_nothing(tmp_path):
    environ = {
        "PATH": os.environ["PATH"],
        "DEBUG": "false",
        "SECRET_KEY": "".join(map(chr, range(48, 120))),
        "BASE_URL": f"https://{PUBLIC}",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "token",
        "TWILIO_PHONE_NUMBER": "+14155550100",
        "ASSEMBLYAI_KEY": "key",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "MEDIA_ROOT": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level=WARNING"],
        check=False,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


# Guessing passwords


def sign_in(name="ada", password="wrong", **environ):
    """Try to log in. Return the status: 200 refused, 302 logged in, 429 locked out."""
    fields = {"username": name, "password": password}
    return Client().post("/admin/login/", fields, **environ).status_code


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret", is_staff=True)


HERE, THERE = {"REMOTE_ADDR": "203.0.113.9"}, {"REMOTE_ADDR": "198.51.100.7"}


def test_nine_wrong_passwords_are_forgiven(ada):
    assert [sign_in(**HERE) for _ in range(9)] == [200] * 9
    assert sign_in(password="secret", **HERE) == 302


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_a_wrong_password_is_hashed_once_whether_the_account_exists_or_not(
    ada, monkeypatch, name
):
    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher,
        "encode",
        lambda *args: hashed.append(args) or encode(*args),
    )

    assert sign_in(name, **HERE) == 200
    assert len(hashed) == 1


def test_tenth_wrong_password_locks_only_this_name_and_address(ada):
    User.objects.create_user("grace", password="secret", is_staff=True)
    for _ in range(9):
        sign_in(**HERE)

    assert sign_in(**HERE) == 429
    assert sign_in(password="secret", **HERE) == 429
    assert sign_in(password="secret", **THERE) == 302
    assert sign_in("grace", "secret", **HERE) == 302


def test_other_spelling_of_a_username_shares_its_lockout(ada):
    # Django treats these full-width letters as the name ada.
    for _ in range(10):
        sign_in("ａｄａ", **HERE)

    assert sign_in(password="secret", **HERE) == 429


def test_the_lock_opens_after_a_quarter_of_an_hour(ada):
    for _ in range(10):
        sign_in(**HERE)
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=14))
    # An attempt during the lock does not prolong it.
    assert sign_in(password="secret", **HERE) == 429
    AccessAttempt.objects.update(
        attempt_time=F("attempt_time") - timedelta(minutes=1, seconds=1)
    )

    assert sign_in(password="secret", **HERE) == 302


def test_lockout_page_explains_the_lockout(ada, client):
    for _ in range(10):
        sign_in(**HERE)

    fields = {"username": "ada", "password": "secret"}
    page = client.post("/admin/login/", fields, **HERE)

    assert page.status_code == 429
    assert "Too many attempts" in page.text
    assert "ada" not in page.text


def test_behind_a_proxy_a_stranger_does_not_lock_an_operator_out(ada):
    """All requests come from the proxy, so lock the address in X-Forwarded-For."""
    proxy = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}
    stranger = {**proxy, "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    operator = {**proxy, "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
    for _ in range(10):
        sign_in(**stranger)

    assert sign_in(password="secret", **stranger) == 429
    assert sign_in(password="secret", **operator) == 302


def test_an_invented_address_gives_no_new_guesses(ada):
    """A client can forge all addresses in X-Forwarded-For except the last one."""
    for number in range(10):
        forged = f"10.1.1.{number}, 203.0.113.9"
        sign_in(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=forged)

    forged = {"HTTP_X_FORWARDED_FOR": "10.9.9.9, 203.0.113.9"}
    assert sign_in(password="secret", REMOTE_ADDR="127.0.0.1", **forged) == 429


def test_neither_name_nor_password_is_logged(ada, caplog):
    caplog.set_level("DEBUG")
    for _ in range(11):
        sign_in(password="hunter2hunter2", **HERE)

    assert "hunter2" not in caplog.text
    kept = str(list(AccessAttempt.objects.values()))
    assert "hunter2" not in kept


def test_an_unknown_name_gets_the_same_answer_as_a_wrong_password(ada, client):
    pages = []
    for name in ("ada", "eve"):
        fields = {"username": name, "password": "wrong"}
        text = client.post("/admin/login/", fields).text
        text = re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", text)
        pages.append(text.replace(f'value="{name}"', ""))

    assert pages[0] == pages[1]
