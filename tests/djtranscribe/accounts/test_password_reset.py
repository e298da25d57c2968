"""People who forgot their password set a new one with a link in an e-mail."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_tasks_db.models import DBTaskResult

from djtranscribe.accounts import password_reset
from djtranscribe.models import Profile
from djtranscribe.vendors import email

pytestmark = pytest.mark.django_db(transaction=True)

ASK = "/password-reset/"
NEW = "a-new-one-of-19-letters"


@pytest.fixture
def ada():
    return User.objects.create_user(
        "ada", "ada@example.com", "the-old-one", is_staff=True
    )


def ask(client, address="ada@example.com"):
    return client.post(ASK, {"email": address}, follow=True)


def link_in(mail):
    (path,) = re.findall(r"https://djtranscribe\.example\.com(/\S+)", mail.body)
    return path


def choose(client, link, password=NEW):
    page = client.get(link, follow=True)
    fields = {"new_password1": password, "new_password2": password}
    return client.post(page.request["PATH_INFO"], fields, follow=True)


def test_a_forgotten_password_is_replaced(ada, client, work, mailoutbox):
    elsewhere = Client()
    elsewhere.force_login(ada)
    assert f'href="{ASK}"' in client.get("/admin/login/").text

    asked = ask(client)
    work()
    (mail,) = mailoutbox
    stored = choose(client, link_in(mail))

    assert "a link is on its way" in asked.text
    assert mail.to == ["ada@example.com"]
    assert "ada on djtranscribe.example.com" in mail.body
    assert "Log in with it" in stored.text
    login = {"username": "ada", "password": NEW}
    assert client.post("/admin/login/", login)["Location"] == "/"
    assert elsewhere.get("/")["Location"] == "/admin/login/?next=/"


def test_reset_link_works_once(ada, client, work, mailoutbox):
    ask(client)
    work()
    link = link_in(mailoutbox[0])
    choose(client, link)

    again = Client().get(link, follow=True)

    assert f'action="{ASK}"' in again.text
    assert "used already, or it is too old" in again.text


def test_a_link_is_good_for_an_hour(ada, client, work, mailoutbox, settings):
    ask(client)
    work()
    settings.PASSWORD_RESET_TIMEOUT = -1

    late = Client().get(link_in(mailoutbox[0]), follow=True)

    assert "too old" in late.text


def test_a_weak_password_is_refused(ada, client, work, mailoutbox):
    ask(client)
    work()

    answer = choose(client, link_in(mailoutbox[0]), "12345678")

    assert "too common" in answer.text
    ada.refresh_from_db()
    assert ada.check_password("the-old-one")


def test_password_reset_ends_a_lockout(ada, client, work, mailoutbox):
    for _ in range(10):
        wrong = {"username": "ada", "password": "wrong"}
        locked = client.post("/admin/login/", wrong)
    assert locked.status_code == 429
    assert f'href="{ASK}"' in locked.text

    ask(client)
    work()
    choose(client, link_in(mailoutbox[0]))

    login = {"username": "ada", "password": NEW}
    assert client.post("/admin/login/", login)["Location"] == "/"


@pytest.mark.parametrize("address", ["nobody@example.com", "eve@example.com"])
def test_the_answer_does_not_tell_who_has_an_account(
    ada, client, work, mailoutbox, address
):
    User.objects.create_user("eve", "eve@example.com", is_active=False)

    answer = ask(client, address)
    work()

    assert "a link is on its way" in answer.text
    assert mailoutbox == []


def test_the_queue_holds_no_link(ada, client):
    ask(client)

    message = DBTaskResult.objects.get()
    assert message.args_kwargs == {"args": [ada.pk], "kwargs": {}}


def test_reset_mails_to_one_account_are_rate_limited(ada, client, work, mailoutbox):
    ask(client)
    ask(client)
    work()
    assert len(mailoutbox) == 1

    profile = Profile.objects.get()
    profile.reset_link_at -= timedelta(minutes=11)
    profile.save()
    ask(client)
    work()

    assert len(mailoutbox) == 2


def test_after_a_failure_another_link_may_be_asked_for(
    ada, client, work, mailoutbox, monkeypatch
):
    def fail(*args):
        raise email.EmailError("The mail server is away.", code=421)

    with monkeypatch.context() as patch:
        patch.setattr(email, "send", fail)
        ask(client)
        work()
    assert mailoutbox == []

    ask(client)
    work()

    assert len(mailoutbox) == 1


def test_after_a_lost_message_another_link_may_be_asked_for(
    ada, client, work, mailoutbox
):
    ask(client)
    DBTaskResult.objects.all().delete()

    ask(client)
    work()

    assert len(mailoutbox) == 1


@pytest.mark.parametrize(
    "missing",
    [
        {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"},
        {"BASE_URL": ""},
    ],
)
def test_reset_pages_need_a_mail_server_and_base_url(settings, missing):
    for name, value in missing.items():
        setattr(settings, name, value)

    assert password_reset.urlpatterns() == []
