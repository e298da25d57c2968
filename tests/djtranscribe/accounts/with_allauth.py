"""Two-factor login and single sign-on.

test_two_factor.py runs these tests in a separate process with other settings.
"""

import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
import responses
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from djtranscribe.models import ApiToken
from tests.djtranscribe.accounts.totp import totp
from tests.security.url_map import addresses, is_csrf_exempt, is_open, is_webhook

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
PROVIDER = "https://login.example.com"
OPEN = {
    *("/accounts/login/", "/accounts/logout/", "/accounts/inactive/"),
    *("/accounts/2fa/authenticate/", "/accounts/2fa/webauthn/login/"),
    *(f"/accounts/sso/{end}/" for end in ("cancelled", "login", "callback")),
}


@pytest.fixture
def ada():
    return User.objects.create_user(
        "ada", "ada@example.com", "secret", is_staff=True, is_superuser=True
    )


def log_in(client, password="secret", follow=True, **more):
    fields = {"login": "ada", "password": password, **more}
    return client.post(LOGIN, fields, follow=follow)


def is_logged_in(client):
    return client.get("/profile/").status_code == 200


def with_app(client):
    """Set up an authenticator app and return its secret."""
    page = client.get("/accounts/2fa/totp/activate/")
    (secret,) = re.findall(r'value="([A-Z2-7]{32})"', page.text)
    typed = {"code": totp(secret)}
    page = client.post("/accounts/2fa/totp/activate/", typed, follow=True)
    assert "Recovery Codes" in page.text
    return secret


def forget_used_codes():
    """Clear the cache. It stores used codes, because a code is accepted only once."""
    cache.clear()


# Passwords


def test_admin_and_all_pages_lead_to_the_login_page(client, ada):
    for path in ("/", "/admin/", "/admin/caller/call/", "/profile/"):
        assert client.get(path, follow=True).redirect_chain[-1][0].startswith(LOGIN)

    # Admin's own login page cannot ask for a second factor, so it logs nobody in.
    fields = {"username": "ada", "password": "secret"}
    client.post("/admin/login/", fields)
    assert not is_logged_in(client)


def test_a_password_alone_is_enough_without_a_second_factor(client, ada):
    page = log_in(client, next="/search/")

    assert page.request["PATH_INFO"] == "/search/"


def test_wrong_passwords_are_counted_by_name_and_address(client, ada):
    for _ in range(9):
        assert "not correct" in log_in(client, "wrong").text

    assert log_in(client, "wrong").status_code == 429
    assert log_in(client).status_code == 429
    elsewhere = Client(REMOTE_ADDR="203.0.113.9")
    log_in(elsewhere)
    assert is_logged_in(elsewhere)


def test_inactive_account_cannot_log_in_with_its_password(client, ada):
    User.objects.update(is_active=False)

    assert "not correct" in log_in(client).text
    assert not is_logged_in(client)


def test_a_forgotten_password_leads_back_to_this_login_page(client, ada):
    page = client.get("/password-reset/")

    assert f'href="{LOGIN}"' in page.text
    assert 'href="/password-reset/"' in client.get(LOGIN).text


def test_an_account_without_staff_status_logs_out(client, ada):
    User.objects.update(is_staff=False, is_superuser=False)
    log_in(client)
    assert is_logged_in(client)

    answer = client.post("/admin/logout/")

    assert answer["Location"] == LOGIN
    assert not is_logged_in(client)


@pytest.mark.parametrize(
    "path",
    [
        *("signup/", "email/", "password/reset/", "password/change/", "3rdparty/"),
        *("confirm-email/", "social/signup/", "sso/signup/"),
    ],
)
def test_sign_up_and_email_pages_do_not_exist(client, ada, path):
    log_in(client)

    assert client.get(f"/accounts/{path}").status_code == 404


def test_only_listed_account_pages_are_open_and_csrf_is_enforced():
    found = {
        route
        for route, view in addresses()
        if route.startswith("/accounts/") and is_open(view)
    }
    unprotected = {
        route
        for route, view in addresses()
        if is_csrf_exempt(view) and not is_webhook(view)
    }

    assert found == OPEN
    assert all(route.startswith("/api/") for route in unprotected)


# A second factor


def test_the_code_of_an_app_is_asked_for_after_the_password(client, ada):
    log_in(client)
    secret = with_app(client)
    forget_used_codes()

    browser = Client()
    page = log_in(browser)
    assert "Second step" in page.text
    assert not is_logged_in(browser)
    wrong = browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "Incorrect code" in wrong.text
    browser.post("/accounts/2fa/authenticate/", {"code": totp(secret)})

    assert is_logged_in(browser)


def test_adding_a_factor_after_a_long_session_needs_the_password(client, ada, settings):
    log_in(client)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0

    page = client.get("/accounts/2fa/totp/activate/", follow=True)
    assert "Confirm that it is you" in page.text
    del settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    path = page.request["PATH_INFO"] + "?" + page.request["QUERY_STRING"]
    page = client.post(path, {"password": "secret"}, follow=True)

    assert "Authenticator secret" in page.text


def test_a_login_that_is_cancelled_is_forgotten(client, ada):
    log_in(client)
    with_app(client)
    browser = Client()
    log_in(browser)

    browser.post("/accounts/logout/", {"next": LOGIN})

    second_step = browser.get("/accounts/2fa/authenticate/", follow=True)
    assert second_step.redirect_chain[-1][0] == LOGIN


@pytest.mark.parametrize(("codes_ago", "is_right"), [(1, True), (2, False)])
def test_the_code_before_is_accepted_too(client, ada, monkeypatch, codes_ago, is_right):
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now)
    log_in(client)
    secret = with_app(client)
    forget_used_codes()

    browser = Client()
    log_in(browser)
    browser.post("/accounts/2fa/authenticate/", {"code": totp(secret, codes_ago)})

    assert is_logged_in(browser) == is_right


def test_number_of_wrong_codes_is_limited(client, ada):
    log_in(client)
    secret = with_app(client)
    forget_used_codes()

    browser = Client()
    log_in(browser)
    for _ in range(5):
        browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
    right = browser.post("/accounts/2fa/authenticate/", {"code": totp(secret)})

    assert "Too many failed login attempts" in right.text
    assert not is_logged_in(browser)


def test_a_recovery_code_works_once(client, ada):
    log_in(client)
    with_app(client)
    page = client.get("/accounts/2fa/recovery-codes/").text
    codes = re.findall(r"\b\d{8}\b", page)
    assert len(codes) == 10

    first, second = Client(), Client()
    for browser in (first, second):
        log_in(browser)
        browser.post("/accounts/2fa/authenticate/", {"code": codes[0]})

    assert [is_logged_in(each) for each in (first, second)] == [True, False]


def test_administrator_can_remove_second_factors(client, ada, admin_client):
    log_in(client)
    with_app(client)

    answer = admin_client.post(
        "/admin/auth/user/",
        {"action": "remove_second_factors", "_selected_action": ada.pk},
        follow=True,
    )

    assert "Removed 2 second factors." in answer.text
    browser = Client()
    log_in(browser)
    assert is_logged_in(browser)


def test_a_required_factor_is_set_up_before_anything_else(client, ada, settings):
    settings.TWO_FACTOR = "required"
    log_in(client)

    for path in ("/", "/admin/", "/dial/14155551234/", "/profile/"):
        assert client.get(path)["Location"] == "/accounts/2fa/", path
    assert "requires a second factor" in client.get("/accounts/2fa/").text
    assert client.get("/healthz").status_code == 200
    with_app(client)

    assert is_logged_in(client)


def test_a_program_with_a_token_needs_no_second_factor(client, ada, settings):
    settings.TWO_FACTOR = "required"
    token = ApiToken(user=ada, name="CRM")
    secret = token.new_secret()
    token.save()

    answer = client.get("/api/calls", headers={"Authorization": f"Bearer {secret}"})

    assert answer.status_code == 200


def test_secrets_of_others_are_in_no_table_of_admin(client, ada):
    log_in(client)
    with_app(client)

    page = client.get("/admin/").text

    assert Authenticator.objects.count() == 2
    assert "/admin/mfa/" not in page
    assert "/admin/account/" not in page
    assert "/admin/socialaccount/" not in page


# Single sign-on


@pytest.fixture
def provider(vendors):
    """Mock an OpenID Connect provider. Return its claims, which a test may change."""
    person = {"sub": "p1", "email": "Ada@Example.com", "email_verified": True}
    vendors.get(
        f"{PROVIDER}/.well-known/openid-configuration",
        json={
            "issuer": PROVIDER,
            "authorization_endpoint": f"{PROVIDER}/authorize",
            "token_endpoint": f"{PROVIDER}/token",
            "userinfo_endpoint": f"{PROVIDER}/userinfo",
            "jwks_uri": f"{PROVIDER}/keys",
        },
    )

    def token(request):
        fields = parse_qs(request.body)
        assert fields["redirect_uri"] == [
            "https://djtranscribe.example.com/accounts/sso/callback/"
        ]
        assert fields["code_verifier"]
        claims = {
            **person,
            "iss": PROVIDER,
            "aud": "our-id",
            "iat": int(time.time()),
            "exp": int(time.time()) + 60,
        }
        signed = jwt.encode(claims, "k" * 32, "HS256")
        return (200, {}, f'{{"access_token": "t", "id_token": "{signed}"}}')

    vendors.add_callback(responses.POST, f"{PROVIDER}/token", token)
    vendors.add_callback(
        responses.GET,
        f"{PROVIDER}/userinfo",
        lambda request: (200, {}, json.dumps(person)),
    )
    return person


def through_provider(client, **answer):
    begin = client.get("/accounts/sso/login/")
    query = parse_qs(urlsplit(begin["Location"]).query)
    assert query["client_id"] == ["our-id"]
    answer = answer or {"code": "c"}
    callback = {"state": query["state"][0], **answer}
    return client.get("/accounts/sso/callback/", callback, follow=True)


def test_the_login_page_names_the_provider(client):
    assert "Log in with Example" in client.get(LOGIN).text


def test_the_provider_logs_an_account_in(client, ada, provider):
    through_provider(client)

    assert is_logged_in(client)
    ada.refresh_from_db()
    assert ada.check_password("secret")


def test_later_the_provider_s_number_counts_and_not_the_address(client, ada, provider):
    through_provider(client)
    provider["email"] = "married@example.com"

    browser = Client()
    through_provider(browser)
    assert is_logged_in(browser)

    # At the provider, somebody else now has the old address. They must not get in.
    provider |= {"sub": "p2", "email": "ada@example.com", "email_verified": False}
    stranger = Client()
    assert "has verified" in through_provider(stranger).text
    assert not is_logged_in(stranger)


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ({"email": "eve@example.com"}, "No account here has your e-mail address"),
        ({"email_verified": False}, "has verified your e-mail address"),
        ({"email": None}, "has verified your e-mail address"),
    ],
)
def test_single_sign_on_needs_a_verified_email_of_an_account(
    client, ada, provider, person, said
):
    provider |= person

    page = through_provider(client)

    assert page.status_code == 403
    assert said in page.text
    assert not is_logged_in(client)
    assert User.objects.count() == 1


def test_an_address_of_two_accounts_logs_nobody_in(client, ada, provider):
    User.objects.create_user("admin", "ADA@example.com", "secret", is_superuser=True)

    assert "Several accounts" in through_provider(client).text
    assert not is_logged_in(client)


def test_a_closed_account_stays_closed(client, ada, provider):
    User.objects.update(is_active=False)

    assert "This account is not active" in through_provider(client).text
    assert not is_logged_in(client)


def test_single_sign_on_satisfies_the_required_second_factor(
    client, ada, provider, settings
):
    settings.TWO_FACTOR = "required"

    through_provider(client)

    assert is_logged_in(client)


def test_existing_second_factor_is_required_after_single_sign_on(client, ada, provider):
    browser = Client()
    log_in(browser)
    with_app(browser)

    assert "Second step" in through_provider(client).text
    assert not is_logged_in(client)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "access_denied"}, "was cancelled"),
        ({"error": "server_error"}, "did not confirm who you are"),
        ({"code": "c", "state": "forged"}, "did not confirm who you are"),
    ],
)
def test_a_login_that_fails_there_is_explained(client, ada, provider, answer, said):
    assert said in through_provider(client, **answer).text


@pytest.mark.parametrize("body", ["<html>", "{}", '{"issuer": "x"}'])
def test_a_provider_that_is_away_or_broken_is_explained(client, ada, vendors, body):
    url = f"{PROVIDER}/.well-known/openid-configuration"
    vendors.get(url, body=requests.ConnectionError())
    away = client.get("/accounts/sso/login/")
    vendors.replace(responses.GET, url, body=body)
    broken = client.get("/accounts/sso/login/")

    for answer in (away, broken):
        assert answer.status_code == 502
        assert "could not be reached" in answer.text
