"""Every webhook is stored with our verdict. A flood of forged ones is only counted."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.utils import timezone

from caller.models import Call
from djtranscribe.models import MAX_REFUSED_PER_MINUTE, WebhookDelivery
from tests.caller.rows import CALL_SID, a_call, call_path, deliveries
from tests.data import load
from tests.transcription.rows import a_transcript, nudge

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

ADMIN = "/admin/djtranscribe/webhookdelivery/"


def forged(client, call):
    return client.post(
        call_path(call),
        "CallSid=secret-of-somebody",
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": "forged", "Host": "localhost:8000"},
    )


def test_an_authentic_delivery_is_kept_with_what_it_said(signed_post):
    call = a_call()

    for path, fields in deliveries(call):
        signed_post(path, fields)

    kept = WebhookDelivery.objects.order_by("pk")
    assert [(row.kind, row.verdict, row.answer_status) for row in kept] == [
        ("twilio-call", "accepted", 204),
        ("twilio-call", "accepted", 204),
        ("twilio-call", "accepted", 204),
        ("twilio-record", "accepted", 200),
        ("twilio-call", "accepted", 204),
        ("twilio-recording", "accepted", 204),
    ]
    assert {row.about for row in kept} == {str(call.uuid)}
    assert kept[0].body["CallStatus"] == "initiated"


def test_webhook_about_an_unknown_call_is_stored_as_ignored(signed_post):
    signed_post(call_path(a_call(sid="CA" + "e" * 32)), load("twilio/status-callback"))

    row = WebhookDelivery.objects.get()
    assert (row.verdict, row.reason, row.answer_status) == (
        "ignored",
        "No such call.",
        404,
    )


def test_early_webhook_is_stored_as_deferred(client):
    transcript = a_transcript("submitting")

    nudge(client, transcript)

    assert WebhookDelivery.objects.get().verdict == "deferred"


def test_forged_webhook_is_stored_with_the_checked_url_but_no_body(
    client,
):
    call = a_call()

    answer = forged(client, call)

    row = WebhookDelivery.objects.get()
    assert answer.status_code == 403
    assert (row.verdict, row.body, row.about) == ("refused", None, "")
    assert "https://djtranscribe.example.com/webhooks/twilio/call/" in row.reason
    assert "http://localhost/webhooks/twilio/call/" in row.reason
    assert str(call.uuid) not in row.reason


def test_a_flood_of_forged_ones_fills_no_table_and_is_counted(client):
    call = a_call()

    for _ in range(MAX_REFUSED_PER_MINUTE + 10):
        forged(client, call)

    kept = WebhookDelivery.objects.all()
    assert len(kept) == MAX_REFUSED_PER_MINUTE
    assert sum(row.more_like_this for row in kept) == 10


def test_the_next_minute_forged_ones_are_kept_again(client):
    call = a_call()
    for _ in range(MAX_REFUSED_PER_MINUTE):
        forged(client, call)
    ago = timezone.now() - timedelta(seconds=61)
    WebhookDelivery.objects.update(received_at=ago)

    forged(client, call)

    assert WebhookDelivery.objects.count() == MAX_REFUSED_PER_MINUTE + 1


def test_a_flood_of_forged_ones_does_not_hide_an_authentic_one(client, signed_post):
    call = a_call()
    for _ in range(MAX_REFUSED_PER_MINUTE + 1):
        forged(client, call)

    signed_post(call_path(call), load("twilio/status-callback"))

    assert WebhookDelivery.objects.filter(verdict="accepted").count() == 1


def test_no_token_and_no_signature_is_kept(client, signed_post):
    transcript = a_transcript("queued")

    nudge(client, transcript)
    signed_post(call_path(a_call()), load("twilio/status-callback"))

    everything = str(list(WebhookDelivery.objects.values()))
    assert transcript.webhook_token() not in everything
    assert "Signature" not in everything


def test_a_body_larger_than_any_webhook_is_refused_unread(client):
    call = a_call()

    answer = client.post(
        call_path(call),
        "CallSid=" + "A" * 70_000,
        content_type="application/x-www-form-urlencoded",
    )

    assert answer.status_code == 403
    assert "larger than" in WebhookDelivery.objects.get().reason


def test_old_ones_are_pruned():
    old = WebhookDelivery.objects.create(kind="a", answer_status=204)
    new = WebhookDelivery.objects.create(kind="b", answer_status=204)
    ago = timezone.now() - timedelta(days=31)
    WebhookDelivery.objects.filter(pk=old.pk).update(received_at=ago)

    pruned = WebhookDelivery.objects.prune(timedelta(days=30))

    assert pruned == 1
    assert list(WebhookDelivery.objects.all()) == [new]


# Admin


@pytest.fixture
def keeper(browser, operator):
    names = ["view_webhookdelivery", "change_webhookdelivery"]
    operator.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return browser


def replay(browser, *rows):
    chosen = {"action": "replay", "_selected_action": [row.pk for row in rows]}
    return browser.post(ADMIN, chosen)


def test_deliveries_can_be_replayed_and_end_in_the_same_rows(keeper, signed_post):
    call = a_call()
    for path, fields in deliveries(call):
        signed_post(path, fields)
    call.refresh_from_db()
    before = call.status, call.duration_seconds, call.recordings.count()

    answer = replay(keeper, *WebhookDelivery.objects.all())

    call.refresh_from_db()
    messages = " ".join(map(str, get_messages(answer.wsgi_request)))
    assert "Processed 6 deliveries again." in messages
    assert (call.status, call.duration_seconds, call.recordings.count()) == before
    assert not WebhookDelivery.objects.filter(replayed_at=None).exists()


def test_ignored_webhook_can_be_replayed(keeper, signed_post):
    call = a_call(sid="CA" + "e" * 32)
    signed_post(call_path(call), load("twilio/status-callback"))
    call.sid = CALL_SID
    call.save()

    replay(keeper, WebhookDelivery.objects.get())

    call.refresh_from_db()
    row = WebhookDelivery.objects.get()
    assert call.status == "initiated"
    assert (row.verdict, row.answer_status) == ("accepted", 204)


def test_a_forged_one_is_never_replayed(keeper, client):
    call = a_call()
    forged(client, call)
    row = WebhookDelivery.objects.get()

    answer = replay(keeper, row)

    row.refresh_from_db()
    messages = " ".join(map(str, get_messages(answer.wsgi_request)))
    assert "Processed 0 deliveries again. Skipped: 1 (refused," in messages
    assert (row.verdict, row.replayed_at) == ("refused", None)


def test_an_incoming_call_that_was_deleted_is_not_stored_again(keeper, signed_post):
    signed_post("/answer/", load("twilio/inbound"))
    Call.objects.get().delete()

    answer = replay(keeper, WebhookDelivery.objects.get())

    messages = " ".join(map(str, get_messages(answer.wsgi_request)))
    assert "Skipped: 1 (refused, of a kind that cannot be replayed," in messages
    assert not Call.objects.exists()


def test_a_delivery_about_a_deleted_call_is_skipped(keeper, signed_post):
    call = a_call(sid=CALL_SID)
    call.delete()
    signed_post(call_path(call), load("twilio/status-callback"))

    answer = replay(keeper, WebhookDelivery.objects.get())

    messages = " ".join(map(str, get_messages(answer.wsgi_request)))
    assert "Processed 0 deliveries again. Skipped: 1 " in messages


def test_a_kind_that_no_longer_exists_is_skipped(keeper, signed_post):
    signed_post(call_path(a_call()), load("twilio/status-callback"))
    known = WebhookDelivery.objects.get()
    old = WebhookDelivery.objects.create(kind="older", answer_status=204)

    answer = replay(keeper, old, known)

    messages = " ".join(map(str, get_messages(answer.wsgi_request)))
    assert "Processed 1 delivery again. Skipped: 1 " in messages


def test_replay_needs_more_than_view_permission(browser, operator, signed_post):
    operator.user_permissions.add(
        Permission.objects.get(codename="view_webhookdelivery")
    )
    signed_post(call_path(a_call()), load("twilio/status-callback"))

    replay(browser, WebhookDelivery.objects.get())

    assert WebhookDelivery.objects.get().replayed_at is None


def test_a_delivery_shows_what_it_said(keeper, signed_post):
    signed_post(call_path(a_call()), load("twilio/status-callback"))
    row = WebhookDelivery.objects.get()

    page = keeper.get(f"{ADMIN}{row.pk}/change/")

    assert "SequenceNumber" in page.text
    assert 'name="_save"' not in page.text
