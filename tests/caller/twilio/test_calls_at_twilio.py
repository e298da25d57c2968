"""If a response or a webhook was lost, we ask Twilio about the call."""

from datetime import timedelta

import pytest
import requests
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from caller import tasks
from caller.models import Call, Recording
from tests.caller.rows import (
    CALL,
    CALL_SID,
    CALLS,
    NUMBER,
    RECORDING_SID,
    RECORDINGS,
    a_call,
    a_recording,
    deliveries,
    refusal,
)
from tests.data import load
from transcription.models import Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def rfc2822(moment):
    return moment.strftime("%a, %d %b %Y %H:%M:%S +0000")


def listed(*calls):
    return {"json": load("twilio/calls", calls=list(calls))}


def at_twilio(call, **changes):
    return load("twilio/call", date_created=rfc2822(call.created_at), **changes)


def recordings(*rows):
    return {"json": load("twilio/recordings", recordings=list(rows))}


def checked(call):
    Call.objects.filter(pk=call.pk).update(next_check_at=timezone.now())
    tasks.check_call.call(call.pk)
    call.refresh_from_db()
    return call


def checked_twice(call):
    """Check a call twice, as if 30 s apart. The first check only sets `missed_at`."""
    checked(call)
    looked = Call.objects.filter(missed_at__isnull=False)
    assert looked.update(missed_at=timezone.now() - timedelta(seconds=30)) == 1
    return checked(call)


def overdue(call):
    """Make a call so old that Twilio's list must contain it."""
    call.created_at = timezone.now() - timedelta(minutes=3)
    call.save()
    return call


def test_a_call_whose_webhooks_were_lost_is_brought_up_to_date(vendors):
    call = a_call(sid=CALL_SID, status="ringing")
    state = {
        "status": "completed",
        # The phone rang for the first ten seconds: it was answered at 10:00:20.
        "start_time": "Mon, 23 Nov 2026 10:00:10 +0000",
        "end_time": "Mon, 23 Nov 2026 10:00:37 +0000",
        "duration": "17",
        "price": "-0.01300",
    }
    vendors.get(CALL, json=load("twilio/call", **state))
    vendors.get(RECORDINGS, **recordings(load("twilio/recording")))

    checked(call)

    assert (call.status, call.duration_seconds) == ("completed", 17)
    assert (call.ended_at - call.answered_at).seconds == 17
    assert (str(call.price), call.price_unit) == ("-0.01300", "USD")
    assert call.recordings.get().status == "completed"
    assert Transcript.objects.get().recording == call.recordings.get()


def test_a_call_that_only_rang_was_not_answered(vendors):
    call = a_call(sid=CALL_SID, status="queued")
    dialled = {"start_time": "Mon, 23 Nov 2026 10:00:10 +0000"}
    vendors.get(CALL, json=load("twilio/call", status="ringing", **dialled))
    ended = {"end_time": "Mon, 23 Nov 2026 10:01:10 +0000", "duration": "0"}
    ended |= {"status": "no-answer", **dialled}
    vendors.get(CALL, json=load("twilio/call", **ended))
    vendors.get(RECORDINGS, **recordings())

    checked(call)
    checked(call)

    assert (call.status, call.answered_at) == ("no-answer", None)


def test_oversized_values_are_truncated_or_ignored(vendors):
    """PostgreSQL would refuse such values, and every check of the call would fail."""
    call = overdue(a_call(sid=CALL_SID, status="in-progress"))
    odd = {"price": "1234567.5", "price_unit": "U\0SDollars", "duration": "9" * 12}
    vendors.get(CALL, json=load("twilio/call", status="completed", **odd))
    news = {"source": "x" * 60, "duration": "²", "channels": "2" * 12}
    vendors.get(RECORDINGS, **recordings(load("twilio/recording", **news)))

    checked(call)

    recording = Recording.objects.get()
    assert (call.status, call.price_unit) == ("completed", "")
    assert (call.price, call.duration_seconds) == (None, None)
    assert (recording.source, recording.status) == ("x" * 40, "completed")
    assert (recording.duration_seconds, recording.channels) == (None, None)


@pytest.mark.parametrize("word", ["x" * 30, "in\0vented", "in\ud83dvented"])
def test_a_status_that_twilio_invents_is_kept_as_far_as_it_fits(vendors, word):
    call = overdue(a_call(sid=CALL_SID, status="ringing"))
    vendors.get(CALL, json=load("twilio/call", status=word))

    checked(call)

    assert call.status in ("x" * 20, "invented")


@pytest.mark.parametrize("price", ["free", "NaN", "-Infinity", "1e9", [], {}])
def test_invalid_price_is_ignored(vendors, price):
    call = overdue(a_call(sid=CALL_SID, status="in-progress"))
    vendors.get(CALL, json=load("twilio/call", status="completed", price=price))
    vendors.get(RECORDINGS, **recordings())

    checked(call)

    assert (call.status, call.price) == ("completed", None)


@pytest.mark.parametrize("body", ["[]", "null", "1", '{"calls": [1]}', '{"calls": 1}'])
def test_an_answer_of_another_shape_changes_nothing(vendors, body):
    call = overdue(a_call(status="unknown"))
    vendors.get(CALLS, body=body, content_type="application/json")

    checked(call)

    assert call.status == "unknown"


def test_asking_twice_makes_no_second_transcript(vendors):
    call = a_call(sid=CALL_SID, status="ringing")
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(RECORDINGS, **recordings(load("twilio/recording")))

    checked(call)
    checked(call)

    assert Transcript.objects.count() == 1


def test_a_call_that_still_rings_is_not_asked_for_recordings(vendors):
    call = a_call(sid=CALL_SID, status="queued")
    vendors.get(CALL, json=load("twilio/call", status="ringing"))

    checked(call)

    assert call.status == "ringing"
    assert len(vendors.calls) == 1


@pytest.mark.parametrize("status", ["unknown", "dialing"])
def test_a_call_whose_answer_was_lost_is_found_in_twilios_list(vendors, status):
    call = a_call(status=status, error="Twilio did not answer in time.")
    asked = vendors.get(CALLS, **listed(at_twilio(call, status="in-progress")))

    checked(call)

    assert (call.sid, call.status, call.error) == (CALL_SID, "in-progress", "")
    assert asked.calls[0].request.params == {
        "To": NUMBER,
        "From": "+14155550100",
        "PageSize": "50",
    }


def test_a_call_that_twilio_never_had_is_failed_and_says_so(vendors, browser):
    call = overdue(a_call(status="unknown"))
    vendors.get(CALLS, **listed())

    checked_twice(call)

    assert (call.status, call.next_check_at) == ("failed", None)
    assert "safe to dial again" in call.error
    assert "safe to dial again" in browser.get(f"/calls/{call.uuid}/").text


def test_a_call_that_is_not_yet_in_the_list_is_looked_for_again(vendors):
    call = a_call(status="unknown")
    vendors.get(CALLS, **listed())

    checked(call)
    checked(call)

    assert call.status == "unknown"
    assert call.next_check_at is not None


def test_one_look_at_the_list_is_not_enough_to_say_that_nothing_was_dialled(vendors):
    # If our clock jumped forward, even a new call looks overdue.
    call = overdue(a_call(status="dialing"))
    vendors.get(CALLS, **listed())

    for _ in range(3):
        checked(call)

    assert call.status == "dialing"
    assert call.next_check_at is not None


def test_a_webhook_that_comes_after_we_gave_a_call_up_is_believed(vendors, signed_post):
    call = overdue(a_call(status="unknown"))
    vendors.get(CALLS, **listed())
    checked_twice(call)

    *of_the_call, of_the_recording = deliveries(call)
    for delivery in of_the_call:
        signed_post(*delivery)

    call.refresh_from_db()
    assert (call.sid, call.status, call.error) == (CALL_SID, "completed", "")
    # We still check the call, because the webhook of its recording may be lost.
    assert call.next_check_at is not None
    signed_post(*of_the_recording)
    assert Transcript.objects.get().recording.call == call


def test_a_late_ringing_does_not_reopen_a_call_that_was_given_up(vendors, signed_post):
    call = overdue(a_call(status="unknown"))
    vendors.get(CALLS, **listed())
    checked_twice(call)
    # The operator was told that the call failed, and dialled again. If the old call
    # were reopened now, the number would have two unfinished calls.
    a_call(status="ringing", sid="CA" + "a" * 32)

    _, ringing, *_ = deliveries(call)
    answer = signed_post(*ringing)

    call.refresh_from_db()
    assert (answer.status_code, call.status) == (204, "failed")
    assert call.next_check_at is not None


def test_call_with_the_closest_time_is_matched(vendors):
    call = a_call(status="unknown")
    an_hour_ago = rfc2822(call.created_at - timedelta(hours=1))
    theirs = load("twilio/call", sid="CA" + "b" * 32, date_created=an_hour_ago)
    vendors.get(CALLS, **listed(at_twilio(call, status="ringing"), theirs))

    checked(call)

    assert (call.sid, call.status) == (CALL_SID, "ringing")


def test_newest_unknown_call_is_matched_if_the_clock_is_wrong(vendors):
    call = a_call(status="unknown")
    an_hour_off = rfc2822(call.created_at - timedelta(hours=1))
    earlier = rfc2822(call.created_at - timedelta(minutes=80))
    ours = load("twilio/call", status="busy", date_created=an_hour_off)
    theirs = load("twilio/call", sid="CA" + "b" * 32, date_created=earlier)
    vendors.get(CALLS, **listed(ours, theirs))
    vendors.get(RECORDINGS, **recordings())

    checked(call)

    assert (call.sid, call.status) == (CALL_SID, "busy")


def test_a_call_that_was_deleted_here_is_not_taken_for_a_new_one(vendors):
    a_call(sid=CALL_SID, status="completed").delete()
    call = a_call(status="unknown")
    vendors.get(CALLS, **listed(at_twilio(call, status="ringing")))

    checked(call)

    assert (call.sid, call.status) == (None, "unknown")


@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_second_phone_of_an_earlier_conversation_is_not_taken_for_a_new_call(
    vendors, is_deleted
):
    conversation = a_call(sid=CALL_SID, status="completed")
    if is_deleted:
        conversation.delete()
    call = overdue(a_call(status="unknown"))
    second = at_twilio(call, sid="CA" + "c" * 32, parent_call_sid=CALL_SID)
    vendors.get(CALLS, **listed(second))

    checked_twice(call)

    assert (call.sid, call.status) == (None, "failed")


def test_an_earlier_call_to_the_same_number_is_not_taken_for_this_one(vendors):
    earlier = a_call(sid="CA" + "e" * 32, status="completed")
    call = overdue(a_call(status="unknown"))
    known = at_twilio(call, sid=earlier.sid)
    too_old = load("twilio/call", date_created="Mon, 23 Nov 2020 10:00:00 +0000")
    undated = load("twilio/call", sid="CA" + "d" * 32)
    vendors.get(CALLS, **listed(known, too_old, undated))

    checked_twice(call)

    assert (call.sid, call.status) == (None, "failed")


@pytest.mark.parametrize(
    "answer",
    [
        refusal(20500, 500),
        refusal(20429, 429),
        refusal(20003, 401),
        {"body": requests.ReadTimeout("slow")},
        {"body": requests.ConnectionError("reset")},
        {"body": "<html>", "status": 200},
        {"json": {"calls": [], "surprise": []}},
    ],
)
def test_twilio_being_away_changes_nothing_and_is_asked_again_later(vendors, answer):
    call = overdue(a_call(status="unknown"))
    vendors.get(CALLS, **answer)

    checked(call)

    assert call.status == "unknown"
    assert call.next_check_at is not None


def test_a_recording_that_is_still_prepared_is_asked_for_again(vendors):
    call = a_call(sid=CALL_SID, status="in-progress")
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    early = load("twilio/recording", status="processing", duration=None)
    vendors.get(RECORDINGS, **recordings(early))

    checked(call)

    assert call.recordings.get().status == "processing"
    assert call.next_check_at is not None
    assert not Transcript.objects.exists()


@pytest.mark.parametrize("ended", ["busy", "no-answer", "canceled", "failed"])
def test_a_call_that_nobody_took_is_not_asked_about_again(vendors, ended):
    call = a_call(sid=CALL_SID, status="ringing")
    vendors.get(CALL, json=load("twilio/call", status=ended))
    vendors.get(RECORDINGS, **recordings())

    checked(call)

    assert (call.status, call.next_check_at) == (ended, None)


def long_over(vendors):
    """Return a call that ended eleven minutes ago. We received no webhook about it."""
    now = timezone.now()
    asked_for = now - timedelta(minutes=30)
    call = a_call(sid=CALL_SID, status="in-progress", created_at=asked_for)
    ended = rfc2822(now - timedelta(minutes=11))
    vendors.get(CALL, json=load("twilio/call", status="completed", end_time=ended))
    return call


def test_after_ten_minutes_nothing_more_is_expected_of_a_call(vendors, browser):
    call = long_over(vendors)
    vendors.get(RECORDINGS, **recordings())

    checked(call)

    assert call.next_check_at is None
    assert "no recording of this call" in browser.get(f"/calls/{call.uuid}/").text


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"body": requests.ReadTimeout("slow")},
        recordings(load("twilio/recording", status="processing", duration=None)),
    ],
)
def test_a_call_is_not_given_up_before_its_recordings_were_told(vendors, answer):
    call = long_over(vendors)
    vendors.get(RECORDINGS, **answer)

    checked(call)
    asked_again = call.next_check_at is not None
    vendors.replace("GET", RECORDINGS, **recordings(load("twilio/recording")))
    checked(call)

    assert asked_again
    assert Transcript.objects.get().recording.sid == RECORDING_SID


def test_a_recording_that_twilio_lost_while_preparing_it_is_not_awaited_for_ever(
    vendors, browser
):
    call = long_over(vendors)
    a_recording(call=call, status="processing")
    vendors.get(RECORDINGS, **recordings())

    checked(call)

    assert (call.recordings.get().status, call.next_check_at) == ("deleted", None)
    page = browser.get(f"/calls/{call.uuid}/").text
    assert "The recording was deleted at Twilio" in page


def test_a_recording_that_was_deleted_here_is_not_brought_back(vendors, signed_post):
    call = a_call(sid=CALL_SID, status="completed", ended_at=timezone.now())
    signed_post(*deliveries(call)[-1])
    Recording.objects.get().delete()
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(RECORDINGS, **recordings(load("twilio/recording")))

    checked(call)

    assert not Recording.objects.exists()
    assert not Transcript.objects.exists()


def test_a_call_of_yesterday_that_twilio_does_not_have_needs_no_second_look(vendors):
    call = a_call(status="dialing", created_at=timezone.now() - timedelta(hours=24))
    vendors.get(CALLS, **listed())

    checked(call)

    assert (call.status, call.next_check_at) == ("failed", None)


def test_clock_one_hour_ahead_does_not_stop_the_checks(vendors, signed_post):
    call = a_call(sid=CALL_SID, status="in-progress")
    ended = rfc2822(timezone.now() - timedelta(hours=1))
    vendors.get(CALL, json=load("twilio/call", status="completed", end_time=ended))
    vendors.get(RECORDINGS, **recordings())

    checked(call)

    assert call.status == "completed"
    assert call.next_check_at is not None


def test_call_with_a_price_is_not_checked_again(vendors):
    call = a_call(sid=CALL_SID, status="completed", ended_at=timezone.now())
    a_recording(call=call)
    vendors.get(CALL, json=load("twilio/call", status="completed", price="-0.013"))
    vendors.get(RECORDINGS, **recordings(load("twilio/recording")))

    checked(call)

    assert call.next_check_at is None


def test_another_calls_answer_changes_nothing(vendors, caplog):
    call = a_call(sid=CALL_SID, status="ringing")
    other = load("twilio/call", sid="CA" + "f" * 32, status="completed")
    vendors.get(CALL, json=other)

    checked(call)

    assert (call.sid, call.status) == (CALL_SID, "ringing")
    assert "other_sid" in caplog.text


def test_a_call_that_was_deleted_here_needs_no_check():
    assert tasks.check_call.call(999) is None


def test_sweep_queues_the_oldest_due_calls_first_up_to_its_limit():
    now = timezone.now()
    one, two, three = (
        a_call(other_number=f"+44207946012{n}", next_check_at=now - timedelta(hours=n))
        for n in range(3)
    )
    a_call(other_number="+442079460123")
    a_call(other_number="+442079460124", status="busy", next_check_at=None)

    sent = tasks.sweep(limit=2)

    queued = DBTaskResult.objects.order_by("enqueued_at")
    assert sent == 2
    assert [row.args_kwargs["args"] for row in queued] == [[three.pk], [two.pk]]
    assert tasks.sweep() == len([one, two, three])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "answer",
    [{"status": 503}, {"json": load("twilio/call", status="in-progress")}],
    ids=["failure", "success"],
)
def test_a_call_queued_twice_is_checked_once_until_it_is_due_again(
    vendors, work, settings, answer
):
    settings.RECOVER_SECONDS = 90
    past = timezone.now() - timedelta(seconds=1)
    call = a_call(sid=CALL_SID, status="ringing", next_check_at=past)
    asked = vendors.get(CALL, **answer)

    sent = [tasks.sweep(), tasks.sweep()]
    work()

    call.refresh_from_db()
    wait = call.next_check_at - timezone.now()
    assert sent == [1, 1]
    assert asked.call_count == 1
    assert timedelta(seconds=28) < wait <= timedelta(seconds=30)
    assert tasks.sweep() == 0


@pytest.mark.django_db(transaction=True)
def test_the_sweep_sends_due_calls_to_be_checked(vendors, work):
    past = timezone.now() - timedelta(seconds=1)
    call = a_call(sid=CALL_SID, status="ringing", next_check_at=past)
    vendors.get(CALL, json=load("twilio/call", status="in-progress"))

    sent = tasks.sweep()
    work()

    call.refresh_from_db()
    assert sent == 1
    assert call.status == "in-progress"


def test_a_recording_is_never_taken_back_from_its_final_state(vendors):
    call = a_call(sid=CALL_SID, status="completed", ended_at=timezone.now())
    recording = a_recording(call=call)
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    gone = load("twilio/recording", status="deleted", channels=2)
    vendors.get(RECORDINGS, **recordings(gone))

    checked(call)

    recording.refresh_from_db()
    assert recording.status == "completed"
    assert Recording.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("refused", "This number is on the do-not-call list."),
        ("failed", "Twilio refused this number."),
    ],
)
def test_a_call_that_twilio_never_took_stays_as_it_ended_when_it_is_asked_about(
    vendors, browser, work, status, error
):
    call = overdue(a_call(status=status, error=error, next_check_at=None))
    # Another system placed a call to the same number. If we asked for Twilio's list, we
    # would take that call for ours.
    vendors.get(CALLS, **listed(at_twilio(call, status="completed")))

    browser.post(f"/calls/{call.uuid}/ask/")
    work()

    call.refresh_from_db()
    assert (call.status, call.error, call.sid) == (status, error, None)
    assert call.next_check_at is None
    assert len(vendors.calls) == 0
