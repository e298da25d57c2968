"""The steps on a call's page: their times, how long each took, and the buttons."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from caller.models import Call
from caller.steps import DONE, FAILED, LATER, NOW, format_elapsed
from caller.timeline import DEFAULT_REASON, FAILURE_REASONS, headline, timeline
from tests.caller.rows import CALL_SID, a_call, a_recording, call_path
from tests.data import load
from transcription.models import Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.quick]

ASKED = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)


def after(seconds):
    return ASKED + timedelta(seconds=seconds)


def a_finished_call(**columns):
    return a_call(
        **{
            "status": "completed",
            "sid": CALL_SID,
            "created_at": ASKED,
            "queued_at": after(1),
            "ringing_at": after(3),
            "answered_at": after(8),
            "ended_at": after(38),
            "duration_seconds": 30,
            "price": Decimal("-0.0085"),
            "price_unit": "USD",
            "next_check_at": None,
            **columns,
        }
    )


def a_stored_recording(call):
    recording = a_recording(call=call, duration_seconds=22)
    # Change created_at afterwards, because auto_now_add always sets the current time.
    type(recording).objects.update(created_at=after(40), fetched_at=after(43))
    recording.refresh_from_db()
    return recording


def seen(call):
    return [
        (step.name, step.state, step.at and (step.at - ASKED).seconds, step.took)
        for step in timeline(call)
    ]


def test_every_step_of_a_call_has_its_time_and_how_long_it_took():
    call = a_finished_call()
    Transcript.objects.create(
        recording=a_stored_recording(call),
        status="completed",
        text="Hello.",
        assemblyai_id="a job",
        submitted_at=after(44),
        finished_at=after(124),
    )

    assert seen(call) == [
        ("Requested", DONE, 0, "1 s"),
        ("Queued at Twilio", DONE, 1, "2 s"),
        ("Rang", DONE, 3, "5 s"),
        ("Answered", DONE, 8, "30 s"),
        ("Recorded", DONE, 40, "2 s"),
        ("Stored", DONE, 43, "3 s"),
        ("Submitted", DONE, 44, "1 s"),
        ("Transcribed", DONE, 124, "1:20 min"),
    ]
    assert headline(timeline(call)) == "Transcribed"


def test_what_the_call_cost_stands_beside_the_talk():
    costs = [
        step.detail for step in timeline(a_finished_call()) if "cost" in step.detail
    ]

    assert costs == ["cost 0.0085 USD"]


def test_current_step_shows_its_start_time():
    call = a_call(
        status="ringing", created_at=ASKED, queued_at=after(1), ringing_at=after(3)
    )

    now = next(step for step in timeline(call) if step.state == NOW)

    assert (now.name, now.at, now.took) == ("Ringing", after(3), "")


def test_a_busy_line_says_when_and_why():
    call = a_call(status="busy", created_at=ASKED, ended_at=after(4))

    assert seen(call)[1:] == [("Busy", FAILED, 4, "")]


def test_an_end_without_a_sentence_of_its_own_gets_a_general_one(monkeypatch):
    monkeypatch.delitem(FAILURE_REASONS, Call.Status.BUSY)

    assert timeline(a_call(status="busy"))[-1].detail == DEFAULT_REASON


def test_nobody_answered_after_it_rang_for_half_a_minute():
    call = a_call(
        status="no-answer", created_at=ASKED, ringing_at=after(3), ended_at=after(33)
    )

    assert seen(call)[1:] == [("Rang", DONE, 3, "30 s"), ("No answer", FAILED, 33, "")]


STAGES = [
    ({}, False, "Storing", "Not stored"),
    ({}, True, "Submitting", "Not submitted"),
    (
        {"assemblyai_id": "a job", "submitted_at": after(44)},
        True,
        "Transcribing",
        "Not transcribed",
    ),
]


@pytest.mark.parametrize(("columns", "is_stored", "doing", "not_done"), STAGES)
def test_the_stage_that_goes_on_is_the_first_that_is_not_done(
    columns, is_stored, doing, not_done
):
    call = a_finished_call()
    recording = a_stored_recording(call) if is_stored else a_recording(call=call)
    Transcript.objects.create(recording=recording, **columns)

    steps = timeline(call)

    assert [step.name for step in steps if step.state == NOW] == [doing]
    assert [step.state for step in steps] == sorted(
        (step.state for step in steps), key=[DONE, NOW, LATER].index
    )


@pytest.mark.parametrize(("columns", "is_stored", "doing", "not_done"), STAGES)
def test_a_transcript_that_failed_can_be_tried_again_from_its_stage(
    columns, is_stored, doing, not_done
):
    call = a_finished_call()
    recording = a_stored_recording(call) if is_stored else a_recording(call=call)
    transcript = Transcript.objects.create(
        recording=recording, status="error", error="No.", **columns
    )

    last = timeline(call)[-1]

    assert (last.name, last.state, last.detail) == (not_done, FAILED, "No.")
    assert last.retry.url == f"/transcripts/{transcript.uuid}/retry/"


def test_a_second_transcript_stands_after_the_first():
    call = a_finished_call()
    recording = a_stored_recording(call)
    done = {"status": "completed", "text": "Hello.", "submitted_at": after(44)}
    Transcript.objects.create(
        recording=recording, assemblyai_id="1", finished_at=after(50), **done
    )
    Transcript.objects.create(
        recording=recording, assemblyai_id="2", finished_at=after(60), **done
    )

    ends = [step.at for step in timeline(call) if step.name == "Transcribed"]

    assert ends == [after(50), after(60)]


def test_vendor_clock_behind_ours_gives_no_negative_duration():
    assert format_elapsed(after(1), ASKED) == "< 1 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "< 1 s"),
        (59, "59 s"),
        (60, "1:00 min"),
        (3599, "59:59 min"),
        (7800, "2:10 h"),
    ],
)
def test_a_time_is_written_for_people(seconds, words):
    assert format_elapsed(ASKED, after(seconds)) == words


def test_first_ringing_time_is_kept(signed_post):
    call = a_call()
    for at in ("10:00:03", "10:00:09"):
        news = load(
            "twilio/status-callback",
            CallStatus="ringing",
            Timestamp=f"Mon, 23 Nov 2026 {at} +0000",
        )
        signed_post(call_path(call), news)

    call.refresh_from_db()
    assert call.ringing_at == after(3)


# The buttons


@pytest.fixture
def supervisor(django_user_model):
    return django_user_model.objects.create_superuser("supervisor")


def test_try_again_goes_on_and_leads_back_to_the_call(client, supervisor):
    call = a_finished_call()
    transcript = Transcript.objects.create(
        recording=a_stored_recording(call), status="error", error="No."
    )
    client.force_login(supervisor)
    page = client.get(call.get_absolute_url())

    answer = client.post(f"/transcripts/{transcript.uuid}/retry/")

    assert f'action="/transcripts/{transcript.uuid}/retry/"' in page.text
    assert answer["Location"] == call.get_absolute_url()
    transcript.refresh_from_db()
    assert (transcript.status, transcript.error) == ("pending", "")


def test_try_again_leaves_alone_what_has_not_failed(client, supervisor):
    recording = a_stored_recording(a_finished_call())
    transcript = Transcript.objects.create(
        recording=recording, status="completed", text="Hello."
    )
    client.force_login(supervisor)

    client.post(f"/transcripts/{transcript.uuid}/retry/")

    transcript.refresh_from_db()
    assert (transcript.status, transcript.text) == ("completed", "Hello.")


def test_user_without_retry_permission_is_referred_to_a_supervisor(browser):
    call = a_finished_call()
    transcript = Transcript.objects.create(
        recording=a_stored_recording(call), status="error", error="No."
    )

    page = browser.get(call.get_absolute_url())

    assert f"/transcripts/{transcript.uuid}/retry/" not in page.text
    assert "Your account is not allowed to retry. Ask a supervisor." in page.text
    assert browser.post(f"/transcripts/{transcript.uuid}/retry/").status_code == 403


def test_a_missing_recording_is_asked_for_once_more(browser):
    call = a_finished_call()
    ask = f"/calls/{call.uuid}/ask/"
    page = browser.get(call.get_absolute_url())

    answer = browser.post(ask)

    assert f'action="{ask}"' in page.text
    assert answer["Location"] == call.get_absolute_url()
    assert Call.objects.get().next_check_at is not None
    # The page polls until the answer is there.
    assert "hx-get" in browser.get(call.get_absolute_url()).text
