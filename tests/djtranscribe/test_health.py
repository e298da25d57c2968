"""What monitors and administrators see if something does not work."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.utils import timezone

from djtranscribe.models import VendorPause
from tests.caller.rows import a_call
from tests.transcription.notification import a_notification
from tests.transcription.rows import a_transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

LONG_AGO = timezone.now() - timedelta(seconds=301)


def test_all_is_well(client):
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {
        "ok": True,
        "database": "ok",
        "overdue_seconds": 0,
        "paused": {},
    }
    assert "no-store" in answer["Cache-Control"]


def test_overdue_transcript_is_unhealthy(client):
    since = timezone.now() - timedelta(seconds=301)
    a_transcript("queued", next_attempt_at=since)

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert 301 <= answer.json()["overdue_seconds"] < 310


def test_overdue_call_check_is_unhealthy(client):
    # No webhook came, so there is no transcript. Only the check of the call is overdue.
    a_call(status="queued", next_check_at=timezone.now() - timedelta(seconds=301))

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert 301 <= answer.json()["overdue_seconds"] < 310


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("webhook", {}),
        ("email", {}),
        ("webhook", {"attempts": 3}),
        # The worker was killed, and no other worker took the notification over.
        ("webhook", {"lease": uuid4(), "leased_until": LONG_AGO}),
        ("email", {"lease": uuid4(), "leased_until": LONG_AGO, "attempts": 1}),
    ],
)
def test_overdue_notification_is_unhealthy(client, settings, kind, columns):
    settings.NOTIFY_URL, settings.NOTIFY_EMAIL = "https://example.com/", True
    a_notification(kind=kind, next_attempt_at=LONG_AGO, **columns)

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["overdue_seconds"] >= 301
    assert set(answer.json()) == {"ok", "database", "overdue_seconds", "paused"}


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "sent", "next_attempt_at": None},
        {"state": "given-up", "next_attempt_at": None},
        {"next_attempt_at": timezone.now() + timedelta(hours=8)},
        {
            "lease": uuid4(),
            "next_attempt_at": LONG_AGO,
            "leased_until": timezone.now() + timedelta(minutes=7),
        },
        # NOTIFY_EMAIL is off, so no worker sends e-mails.
        {"kind": "email", "next_attempt_at": LONG_AGO},
    ],
    ids=["sent", "given up", "waits for its time", "being sent", "switched off"],
)
def test_notification_that_is_not_due_is_healthy(client, settings, columns):
    settings.NOTIFY_URL = "https://example.com/"
    a_notification(**columns)

    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["overdue_seconds"] == 0


def test_transcript_overdue_for_a_short_time_is_healthy(client):
    since = timezone.now() - timedelta(seconds=200)
    a_transcript("queued", next_attempt_at=since)

    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["overdue_seconds"] >= 200


def test_waiting_backfill_is_healthy(client):
    since = timezone.now() - timedelta(hours=5)
    a_transcript("pending", priority=-50, next_attempt_at=since)

    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["overdue_seconds"] == 0


def test_paused_vendor_is_unhealthy(client):
    VendorPause.objects.create(
        vendor="assemblyai", reason="Top it up.", probe_at=timezone.now()
    )

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["paused"] == {"assemblyai": "Top it up."}


def test_unreachable_database_is_unhealthy(client, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("secret host")

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", away)
    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "database": "away"}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/", "The database is not available"),
        ("/healthz", '{"ok": false, "database": "away"}'),
    ],
)
def test_logged_in_user_sees_that_the_database_is_unavailable(
    browser, monkeypatch, address, words
):
    # The session is in the database, too. So the site cannot know who is logged in.
    def away(*args, **kwargs):
        raise OperationalError("secret host")

    browser.raise_request_exception = False
    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", away)
    answer = browser.get(address)

    assert answer.status_code == 503
    assert words in answer.text
    assert "secret" not in answer.text


def test_other_errors_still_return_500(browser, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    browser.raise_request_exception = False
    monkeypatch.setattr("caller.dashboard.todays_figures", broken)
    answer = browser.get("/")

    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text


def test_post_is_refused(client):
    assert client.post("/healthz").status_code == 405


def test_a_pause_can_be_ended_at_once_in_admin(admin_client):
    pause = VendorPause.objects.create(vendor="twilio", probe_at=timezone.now())

    shown = admin_client.get("/admin/djtranscribe/vendorpause/")
    admin_client.post(
        "/admin/djtranscribe/vendorpause/",
        {"action": "try_now", "_selected_action": [pause.pk]},
    )

    assert "twilio" in shown.text
    assert not VendorPause.objects.exists()


def test_operators_may_dial_and_read(django_user_model):
    operator = django_user_model.objects.create_user("ada")
    operator.groups.add(Group.objects.get(name="Operators"))

    for permission in (
        "caller.add_call",
        "caller.view_call",
        "caller.view_recording",
        "transcription.view_transcript",
    ):
        assert operator.has_perm(permission), permission
    for permission in ("caller.delete_call", "auth.change_user"):
        assert not operator.has_perm(permission), permission
