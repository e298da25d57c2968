"""Twilio's webhooks may arrive in any order. A status only moves forward.

Forged and broken requests are tested in tests/djtranscribe/webhooks/test_abuse.py.
"""

from datetime import datetime
from datetime import timezone as tz
from itertools import permutations

import pytest
from django.db import OperationalError

from caller.models import Call, Recording, Tombstone
from tests.caller.rows import (
    CALL_SID,
    NUMBER,
    RECORDING_SID,
    a_call,
    a_recording,
    call_path,
    deliveries,
    record_path,
    recording_path,
)
from tests.data import load
from transcription.models import Transcript, Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def at(second):
    return datetime(2026, 11, 23, 10, 0, second, tzinfo=tz.utc)


def test_the_deliveries_of_a_call_fill_its_row(signed_post):
    call = a_call()

    answers = [signed_post(path, fields) for path, fields in deliveries(call)]

    call.refresh_from_db()
    assert [a.status_code for a in answers] == [204, 204, 204, 200, 204, 204]
    assert (call.sid, call.status) == (CALL_SID, "completed")
    assert (call.answered_at, call.ended_at) == (at(20), at(30))
    assert call.duration_seconds == 17  # from CallDuration; `Duration` is in minutes
    recording = call.recordings.get()
    assert (recording.sid, recording.status) == (RECORDING_SID, "completed")
    assert (recording.duration_seconds, recording.channels) == (7, 1)
    assert recording.source == "RecordVerb"


def test_every_status_has_a_rank():
    assert set(Call.Status.values) == set(Call.RANK)


def rows():
    """Return the values that come from webhooks, without our own keys and times."""
    calls = Call.objects.values_list(
        "sid", "status", "answered_at", "ended_at", "duration_seconds"
    )
    recordings = Recording.objects.values_list(
        "sid", "status", "duration_seconds", "channels", "source", "error"
    )
    return [*calls, *recordings, Transcript.objects.count()]


ORDERS = list(permutations(range(6)))


@pytest.mark.parametrize("part", range(8))
def test_any_order_of_the_deliveries_ends_in_the_same_rows(signed_post, part):
    expected = [
        (CALL_SID, "completed", at(20), at(30), 17),
        (RECORDING_SID, "completed", 7, 1, "RecordVerb", ""),
        1,
    ]

    # Test every sixth of the 720 orders, in eight parts. Send each webhook twice.
    for order in ORDERS[part * 6 :: 48]:
        call = a_call()
        sent = deliveries(call)
        for number in order:
            signed_post(*sent[number])
            signed_post(*sent[number])

        assert rows() == expected, order
        Call.objects.all().delete()
        Tombstone.objects.all().delete()


@pytest.mark.parametrize("late", ["queued", "initiated", "ringing", "in-progress"])
@pytest.mark.parametrize("ended", Call.FINISHED)
def test_a_late_event_does_not_reopen_a_finished_call(signed_post, ended, late):
    call = a_call(status=ended, sid=CALL_SID)

    answer = signed_post(
        call_path(call), load("twilio/status-callback", CallStatus=late)
    )

    call.refresh_from_db()
    assert answer.status_code == 204
    assert call.status == ended


def test_the_first_final_state_stays(signed_post):
    call = a_call(status="busy", sid=CALL_SID)

    signed_post(call_path(call), load("twilio/status-callback", CallStatus="completed"))

    call.refresh_from_db()
    assert call.status == "busy"


def test_a_word_that_twilio_invents_is_stored_and_is_not_final(signed_post):
    call = a_call(status="ringing", sid=CALL_SID)

    signed_post(call_path(call), load("twilio/status-callback", CallStatus="screened"))
    call.refresh_from_db()
    in_between = call.status
    signed_post(
        call_path(call), load("twilio/status-callback", CallStatus="in-progress")
    )

    call.refresh_from_db()
    assert in_between == "screened"
    assert call.status == "in-progress"


def test_a_status_webhook_without_a_status_changes_no_status(signed_post):
    call = a_call(status="ringing", sid=CALL_SID)

    answer = signed_post(call_path(call), load("twilio/status-callback", CallStatus=""))

    call.refresh_from_db()
    assert answer.status_code < 500
    assert call.status == "ringing"


def test_a_webhook_settles_a_call_whose_answer_was_lost(signed_post):
    call = a_call(status="unknown", error="Twilio did not answer in time.")

    signed_post(call_path(call), load("twilio/status-callback", CallStatus="ringing"))

    call.refresh_from_db()
    assert (call.sid, call.status, call.error) == (CALL_SID, "ringing", "")


def test_another_calls_sid_changes_nothing(signed_post):
    call = a_call(status="ringing", sid=CALL_SID)

    answer = signed_post(
        call_path(call),
        load("twilio/status-callback", CallSid="CA" + "f" * 32, CallStatus="completed"),
    )

    call.refresh_from_db()
    assert answer.status_code == 404
    assert (call.sid, call.status) == (CALL_SID, "ringing")


@pytest.mark.parametrize("value", ["", "-1", "1e3", "17.0", "9" * 30, "١٧", "none"])
def test_a_duration_that_is_no_number_is_unknown(signed_post, value):
    call = a_call()

    answer = signed_post(
        call_path(call), load("twilio/status-callback", CallDuration=value)
    )

    call.refresh_from_db()
    assert answer.status_code == 204
    assert call.duration_seconds is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2026-11-23T10:00:00Z",
        "Mon, 23 Nov 2026 10:00:00",
        "Mon, 23 Nov 99999 10:00:00 +0000",
        "Mon, 23 Nov 99999999999999999999 10:00:00 +0000",
        "Mon, 23 Nov 2026 10:00:00 +99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 -2300",
    ],
)
def test_invalid_timestamp_is_ignored(signed_post, value):
    call = a_call()
    fields = load("twilio/status-callback", CallStatus="completed", Timestamp=value)

    answer = signed_post(call_path(call), fields)

    call.refresh_from_db()
    assert answer.status_code == 204
    assert (call.status, call.ended_at) == ("completed", None)


def test_fields_that_twilio_adds_some_day_are_ignored(signed_post):
    call = a_call()

    answer = signed_post(
        call_path(call), load("twilio/status-callback", Wholly="new", Called="?")
    )

    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("16101", "too short"),
        ("16102", "Nobody spoke"),
        ("16999", "error 16999: see twilio.com/docs/api/errors/16999"),
        ("", ""),
    ],
)
def test_an_absent_recording_says_why_and_is_not_transcribed(
    signed_post, code, sentence
):
    call = a_call(status="completed", sid=CALL_SID)
    fields = load(
        "twilio/recording-callback",
        RecordingStatus="absent",
        RecordingDuration="",
        ErrorCode=code,
    )

    answer = signed_post(recording_path(call), fields)

    recording = call.recordings.get()
    call.refresh_from_db()
    assert answer.status_code == 204
    assert recording.status == "absent"
    assert sentence in recording.error
    assert call.next_check_at is not None  # the price is still missing
    assert not Transcript.objects.exists()


def test_a_completed_recording_makes_one_transcript_however_often_it_is_told(
    signed_post,
):
    chosen = Vocabulary.objects.create(name="Cardiology", terms="metoprolol")
    call = a_call(sid=CALL_SID, vocabulary=chosen)

    for _ in range(3):
        signed_post(recording_path(call), load("twilio/recording-callback"))

    transcript = Transcript.objects.get()
    assert transcript.recording.sid == RECORDING_SID
    assert transcript.status == "pending"
    assert transcript.vocabulary == chosen


def test_a_recording_in_progress_is_not_transcribed_until_it_is_complete(signed_post):
    call = a_call(sid=CALL_SID)
    early = load("twilio/recording-callback", RecordingStatus="in-progress")

    signed_post(recording_path(call), early)
    before = Transcript.objects.count()
    signed_post(recording_path(call), load("twilio/recording-callback"))
    signed_post(recording_path(call), early)

    assert before == 0
    assert Transcript.objects.count() == 1
    assert Recording.objects.get().status == "completed"


def test_a_recording_of_another_call_is_not_taken_over(signed_post):
    first = a_call(sid="CA" + "e" * 32, status="completed")
    a_recording(call=first, status="in-progress")
    call = a_call(sid=CALL_SID)

    signed_post(recording_path(call), load("twilio/recording-callback"))

    recording = Recording.objects.get()
    assert (recording.call, recording.status) == (first, "in-progress")


@pytest.mark.parametrize(
    "sid", ["", "RE1", "re" + "0" * 32, "../../etc/passwd", "RE\0"]
)
def test_a_recording_without_a_proper_sid_is_not_stored(signed_post, sid):
    call = a_call()

    answer = signed_post(
        recording_path(call), load("twilio/recording-callback", RecordingSid=sid)
    )

    assert answer.status_code == 404
    assert not Recording.objects.exists()


@pytest.mark.parametrize(
    "path_of", [call_path, recording_path, record_path], ids=lambda f: f.__name__
)
@pytest.mark.parametrize(
    "fields",
    [
        {"CallStatus": "com\0pleted", "RecordingStatus": "com\0pleted"},
        {"CallStatus": "x" * 100_000, "RecordingStatus": "x" * 100_000},
        {"RecordingSource": "\0", "RecordingChannels": "999999999"},
        {"RecordingSource": "é" * 5000, "SequenceNumber": "999999999"},
        {"RecordingStatus": "\ud7ff🎧", "CallStatus": "🎧"},
    ],
)
def test_odd_values_under_a_good_signature_are_no_server_error(
    signed_post, path_of, fields
):
    call = a_call(sid=CALL_SID)
    kinds = {call_path: "status-callback", recording_path: "recording-callback"}
    body = load(f"twilio/{kinds.get(path_of, 'twiml-request')}", **fields)

    answer = signed_post(path_of(call), body)

    assert answer.status_code < 500
    assert Call.objects.get().other_number == NUMBER


@pytest.mark.parametrize("path_of", [call_path, recording_path, record_path])
def test_webhook_that_cannot_be_stored_is_not_acknowledged(
    signed_post, monkeypatch, caplog, path_of
):
    call = a_call(sid=CALL_SID)
    kind = "recording-callback" if path_of is recording_path else "status-callback"

    def away(*args, **kwargs):
        raise OperationalError("the database is away")

    monkeypatch.setattr("django.db.transaction.Atomic.__enter__", away)
    answer = signed_post(path_of(call), load(f"twilio/{kind}"))

    assert answer.status_code == 503
    assert "stored=no" in caplog.text
