"""The page of a call, during the call and after it, and the list of latest calls."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from caller.models import Call
from tests.caller.rows import CALL_SID, a_call, a_recording, call_path
from tests.data import load
from transcription.models import Transcript

pytestmark = pytest.mark.django_db


def steps(page):
    """Return the steps on the page: `[("Requested", "done"), …]`."""
    items = re.findall(
        r'<li class="state (\w+)".*?</span>\s*([^<]+?)\s*(?:<span|</p>)',
        page.text,
        re.S,
    )
    return [(name.strip(), state) for state, name in items]


def test_the_steps_of_a_call_that_rings(browser):
    call = a_call(status="ringing", sid=CALL_SID)

    page = browser.get(call.get_absolute_url())

    assert steps(page) == [
        ("Requested", "done"),
        ("Queued at Twilio", "done"),
        ("Ringing", "now"),
        ("Answered", "later"),
        ("Recorded", "later"),
        ("Stored", "later"),
        ("Submitted", "later"),
        ("Transcribed", "later"),
    ]
    assert 'hx-trigger="every 1s"' in page.text


@pytest.mark.parametrize(
    ("status", "now"),
    [
        ("dialing", ["Asking Twilio"]),
        ("unknown", ["Dialing"]),
        ("queued", ["Queued at Twilio"]),
        ("initiated", ["Dialing"]),
        ("ringing", ["Ringing"]),
        ("in-progress", ["In progress"]),
    ],
)
def test_each_status_is_one_step_that_goes_on_now(browser, status, now):
    call = a_call(status=status)

    page = browser.get(call.get_absolute_url())

    assert [name for name, state in steps(page) if state == "now"] == now


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("busy", "The line was busy."),
        ("no-answer", "Nobody answered."),
        ("canceled", "canceled before it was answered"),
        ("failed", "could not be connected"),
    ],
)
def test_unsuccessful_call_says_why_and_stops_polling(browser, status, sentence):
    call = a_call(status=status)

    page = browser.get(call.get_absolute_url())

    assert sentence in page.text
    assert [state for _, state in steps(page)] == ["done", "failed"]
    assert "hx-get" not in page.text
    assert "Call again" in page.text


def test_a_call_that_verifies_a_phone_cannot_be_repeated_from_its_page(browser):
    """The button would place a normal, recorded call instead of a verification call."""
    call = a_call(status="failed", kind="code")

    assert "Call again" not in browser.get(call.get_absolute_url()).text


EXPECTED = [
    ("Recording", "now"),
    ("Stored", "later"),
    ("Submitted", "later"),
    ("Transcribed", "later"),
]


def test_while_twilio_prepares_the_recording_the_page_waits(browser):
    call = a_call(status="completed", sid=CALL_SID)
    a_recording(call=call, status="processing")

    page = browser.get(call.get_absolute_url())

    assert steps(page)[-4:] == EXPECTED


def test_right_after_the_call_the_recording_is_expected(browser):
    call = a_call(status="completed", sid=CALL_SID)

    page = browser.get(call.get_absolute_url())

    assert steps(page)[-4:] == EXPECTED


def test_a_recording_that_is_absent_says_why(browser):
    call = a_call(status="completed", sid=CALL_SID)
    a_recording(call=call, status="absent", error="Nobody spoke.")

    page = browser.get(call.get_absolute_url())

    assert "Nobody spoke." in page.text
    assert steps(page)[-1] == ("No recording", "failed")
    assert "hx-get" not in page.text


def test_a_transcript_on_its_way_says_what_goes_on(browser):
    call = a_call(status="completed", sid=CALL_SID)
    recording = a_recording(call=call, duration_seconds=7)
    Transcript.objects.create(recording=recording, error="AssemblyAI is busy.")

    page = browser.get(call.get_absolute_url())

    assert steps(page)[-3:] == [
        ("Storing", "now"),
        ("Submitted", "later"),
        ("Transcribed", "later"),
    ]
    assert "AssemblyAI is busy." in page.text


def test_a_transcript_that_failed_says_why_and_the_page_is_settled(browser):
    call = a_call(status="completed", sid=CALL_SID)
    recording = a_recording(call=call)
    Transcript.objects.create(recording=recording, status="error", error="Too short.")

    page = browser.get(call.get_absolute_url())

    assert page.text.count("Too short.") == 1
    assert steps(page)[-1] == ("Not stored", "failed")
    assert "hx-get" not in page.text


def test_hostile_words_are_shown_not_run(browser):
    call = a_call(status="completed", sid=CALL_SID)
    words = "<script>alert('said')</script>"
    Transcript.objects.create(
        recording=a_recording(call=call),
        status="completed",
        text=words,
        finished_at=timezone.now(),
    )

    page = browser.get(call.get_absolute_url())

    assert words not in page.text
    assert "&lt;script&gt;" in page.text


def test_a_silent_call_says_that_nobody_spoke(browser):
    call = a_call(status="completed", sid=CALL_SID)
    Transcript.objects.create(
        recording=a_recording(call=call), status="completed", error_class="no-speech"
    )

    assert "Nobody spoke" in browser.get(call.get_absolute_url()).text


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"status": "error", "error": "Too short."},
            "This recording could not be transcribed.",
        ),
        (
            {"status": "completed", "original_text": "Bye.", "revision": 1},
            "All words of this transcript were removed.",
        ),
    ],
)
def test_an_older_transcript_without_text_says_why(browser, columns, sentence):
    recording = a_recording(call=a_call(status="completed", sid=CALL_SID))
    Transcript.objects.create(recording=recording, **columns)
    Transcript.objects.create(recording=recording, status="completed", text="Hi.")

    page = browser.get(recording.call.get_absolute_url()).text
    assert sentence in page
    assert page.count("Too short.") == ("error" in columns)
    assert page.count("<h2>Transcript of ") == 2


def test_htmx_is_given_the_part_of_the_page_that_changes(browser):
    call = a_call(status="ringing")

    part = browser.get(call.get_absolute_url(), headers={"HX-Request": "true"})

    assert "<section" in part.text
    assert "<html" not in part.text
    assert "<title>" in part.text


def test_the_page_follows_a_webhook_without_a_second_dial(browser, signed_post):
    call = a_call()
    signed_post(call_path(call), load("twilio/status-callback", CallStatus="ringing"))

    page = browser.get(call.get_absolute_url())

    assert ("Ringing", "now") in steps(page)


def test_a_call_that_does_not_exist_is_not_found(browser):
    page = browser.get("/calls/11111111-2222-4333-8444-555555555555/")

    assert page.status_code == 404


def test_the_page_costs_the_same_queries_however_much_there_is(
    browser, django_assert_max_num_queries
):
    call = a_call(status="completed", sid=CALL_SID)
    for number in range(5):
        recording = a_recording(call=call, sid=f"RE{number:032}")
        for _ in range(3):
            Transcript.objects.create(
                recording=recording, status="completed", text="Words."
            )

    # The queries: session, user, permissions (2), call, recordings, transcripts, log of
    # readers (2), score, number of other transcripts, notes, tags, whether the number
    # may be called (2).
    with django_assert_max_num_queries(15):
        page = browser.get(call.get_absolute_url())

    assert page.text.count("Words.") == 15


def test_home_shows_the_latest_calls_in_a_constant_number_of_queries(
    browser, operator, django_assert_max_num_queries
):
    for number in range(25):
        a_call(other_number=f"+4420794601{number:02}", requested_by=operator)

    # The queries: session, user, permissions (2), calls with their transcripts and
    # recordings (3), needs attention (5), charts of two weeks, transcribed today,
    # keyword lists.
    with django_assert_max_num_queries(15):
        page = browser.get("/")

    assert page.text.count('<a class="number"') == 20
    assert "+44 20 7946 0124" in page.text
    assert "+44 20 7946 0100" not in page.text


def test_home_page_shows_no_calls_without_permission(client, django_user_model):
    a_call()
    client.force_login(django_user_model.objects.create_user("nobody"))

    page = client.get("/")

    assert page.status_code == 200
    assert "555-1234" not in page.text
    assert "Operators" in page.text


@pytest.mark.parametrize("path", ["/", "/calls/11111111-2222-4333-8444-555555555555/"])
def test_a_stranger_is_sent_to_the_login(client, path):
    assert client.get(path)["Location"] == f"/admin/login/?next={path}"


def test_user_who_may_dial_but_not_view_calls_gets_no_page(client, django_user_model):
    dialler = django_user_model.objects.create_user("dialler")
    dialler.user_permissions.add(Permission.objects.get(codename="add_call"))
    client.force_login(dialler)

    assert client.get(a_call().get_absolute_url()).status_code == 403


@pytest.mark.parametrize(
    ("to", "number", "country"),
    [
        ("+14155551234", "+1 415-555-1234", "United States"),
        ("+442079460123", "+44 20 7946 0123", "United Kingdom"),
        ("anonymous", "anonymous", ""),
    ],
)
def test_numbers_are_written_for_people(to, number, country):
    call = Call(other_number=to)

    assert (call.number, call.country) == (number, country)


def test_the_sid_is_shown_with_a_copy_button_and_the_recording_url(browser):
    call = a_call(status="completed", sid=CALL_SID)

    page = browser.get(call.get_absolute_url())

    assert f'<code id="call-sid">{CALL_SID}</code>' in page.text
    assert 'data-copy="call-sid"' in page.text
    assert f'href="/get-recording-url/{CALL_SID}/"' in page.text


def test_a_call_without_a_sid_shows_none(browser):
    page = browser.get(a_call(status="dialing").get_absolute_url())

    assert "Call SID" not in page.text


def test_the_recording_url_is_offered_only_to_those_who_may_open_it(browser, operator):
    operator.user_permissions.remove(Permission.objects.get(codename="view_recording"))
    call = a_call(status="completed", sid=CALL_SID)

    page = browser.get(call.get_absolute_url())

    assert CALL_SID in page.text
    assert "/get-recording-url/" not in page.text
