"""People see in which browsers they are logged in, and can log out there."""

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client

from djtranscribe.accounts.sessions import SessionStore
from djtranscribe.models import Session

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0"
)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret", is_staff=True)


def logged_in(user_agent, name="ada", address="203.0.113.7"):
    client = Client(headers={"User-Agent": user_agent}, REMOTE_ADDR=address)
    client.post("/admin/login/", {"username": name, "password": "secret"})
    assert is_logged_in(client)
    return client


def is_logged_in(client):
    return client.get("/").status_code == 200


def buttons(client):
    """Return {browser: the value of its "Log out" button}."""
    page = client.get("/profile/").text
    found = re.findall(r'value="(\w{20})">Log out<span[^>]*> ([^<]+)<', page)
    return {browser: value for value, browser in found}


def log_out(client, **fields):
    return client.post("/profile/log-out/", fields, follow=True)


def test_the_profile_lists_where_an_account_is_logged_in(ada):
    logged_in(IPHONE, address="198.51.100.9")
    logged_in(EDGE)
    here = logged_in(FIREFOX)

    page = here.get("/profile/").text

    found = re.findall(r"<strong>([\w ]+)</strong>( <span class=.current)?", page)
    assert [(name, bool(here)) for name, here in found] == [
        ("Firefox on Linux", True),
        ("Edge on Windows", False),
        ("Safari on iPhone", False),
    ]
    assert "from 198.51.100.9" in page
    assert list(buttons(here)) == ["Edge on Windows", "Safari on iPhone"]


def test_one_browser_is_logged_out(ada):
    lost, other, here = logged_in(IPHONE), logged_in(EDGE), logged_in(FIREFOX)

    answer = log_out(here, number=buttons(here)["Safari on iPhone"])

    assert "Ended 1 session." in answer.text
    assert [is_logged_in(each) for each in (lost, other, here)] == [False, True, True]


@pytest.mark.parametrize("is_staff", [True, False])
def test_an_account_logs_out(ada, is_staff):
    here = logged_in(FIREFOX)
    User.objects.update(is_staff=is_staff)
    assert 'action="/admin/logout/"' in here.get("/").text

    answer = here.post("/admin/logout/")

    assert answer["Location"] == "/admin/login/"
    assert not is_logged_in(here)
    assert not Session.objects.exists()


def test_all_other_browsers_are_logged_out(ada):
    lost, other, here = logged_in(IPHONE), logged_in(EDGE), logged_in(FIREFOX)

    answer = log_out(here)

    assert "Ended 2 sessions." in answer.text
    assert [is_logged_in(each) for each in (lost, other, here)] == [False, False, True]


def test_account_cannot_end_sessions_of_another_account(ada):
    User.objects.create_user("eve", password="secret", is_staff=True)
    phone, here = logged_in(IPHONE), logged_in(FIREFOX)
    number = buttons(here)["Safari on iPhone"]

    answer = log_out(logged_in(EDGE, "eve"), number=number)

    assert "This session had already ended." in answer.text
    assert is_logged_in(phone)


def test_the_page_does_not_contain_the_key_of_a_session(ada):
    phone, here = logged_in(IPHONE), logged_in(FIREFOX)

    page = here.get("/profile/").text

    for client in (phone, here):
        assert client.session.session_key not in page


def test_the_page_that_deletes_an_account_does_not_either(ada, admin_client):
    phone = logged_in(IPHONE)

    page = admin_client.get(f"/admin/auth/user/{ada.pk}/delete/").text

    assert "Session until" in page
    assert phone.session.session_key not in page


def test_a_new_password_leaves_only_this_browser(ada):
    phone, here = logged_in(IPHONE), logged_in(FIREFOX)
    new = "a-new-one-of-19-letters"

    here.post(
        "/admin/password_change/",
        {"old_password": "secret", "new_password1": new, "new_password2": new},
    )

    page = here.get("/profile/").text
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" not in page
    assert not is_logged_in(phone)


def test_an_administrator_logs_an_account_out(ada, admin_client):
    phone = logged_in(IPHONE)

    answer = admin_client.post(
        "/admin/auth/user/",
        {"action": "log_out", "_selected_action": ada.pk},
        follow=True,
    )

    assert "Ended 1 session." in answer.text
    assert not is_logged_in(phone)


def test_an_administrator_who_logs_everybody_out_stays_logged_in_here(
    ada, admin_user, admin_client
):
    phone, elsewhere = logged_in(IPHONE), Client()
    elsewhere.force_login(admin_user)

    answer = admin_client.post(
        "/admin/auth/user/",
        {"action": "log_out", "_selected_action": [ada.pk, admin_user.pk]},
        follow=True,
    )

    assert "Ended 2 sessions. This browser stays logged in." in answer.text
    found = [is_logged_in(each) for each in (phone, elsewhere, admin_client)]
    assert found == [False, False, True]


def test_anonymous_requests_create_no_session(client, ada):
    client.get("/admin/login/")
    client.post("/admin/login/", {"username": "ada", "password": "wrong"})
    client.post("/password-reset/", {"email": "nobody@example.com"})
    client.get("/password-reset/MQ/abc-def/")

    assert not Session.objects.exists()


def test_sessions_that_are_over_are_deleted(ada):
    logged_in(FIREFOX)
    over = SessionStore()
    over.set_expiry(-1)
    over["old"] = True
    over.create()

    SessionStore.clear_expired()

    assert Session.objects.get().user == ada


def test_migration_keeps_existing_sessions(ada, settings):
    """Older versions of this site stored sessions in Django's own table."""
    client, ours = Client(), settings.SESSION_ENGINE
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    client.force_login(ada)
    settings.SESSION_ENGINE = ours

    migration = import_module("djtranscribe.migrations.0010_sessions")
    migration.move_sessions(apps, None)

    assert is_logged_in(client)
    assert Session.objects.get().user == ada
    assert not apps.get_model("sessions", "Session").objects.exists()
