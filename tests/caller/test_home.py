"""The page where a day begins: what is typed, what was done, what needs a look."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from caller.models import DoNotCall
from caller.phone_numbers import as_typed
from tests.caller.rows import a_call, a_recording
from transcription.models import Transcript

pytestmark = pytest.mark.django_db


def check(browser, typed):
    """What is said of a number that is being typed, and how it is then written."""
    answer = browser.post("/dial/check/", {"number": typed})
    assert answer.status_code == 200
    news = json.loads(answer["HX-Trigger"])["number-checked"]
    assert news["typed"] == typed[:40].replace("\0", "")
    return " ".join(answer.text.split()), news["formatted"], news["isWrong"]


@pytest.mark.parametrize(
    ("typed", "formatted"),
    [
        ("", ""),
        ("+", "+"),
        ("1", "+1"),
        ("1415", "+1 415"),
        ("1415555", "+1 415-555"),
        ("+1 415-5551234", "+1 415-555-1234"),
        ("442079460123", "+44 20 7946 0123"),
        ("(1) 415.555", "+1 415-555"),
        ("call me", "call me"),
        ("٤٢", "٤٢"),
        ("9" * 40, "+" + "9" * 40),
    ],
)
def test_a_number_is_written_as_far_as_it_goes(typed, formatted):
    assert as_typed(typed) == formatted


@pytest.mark.parametrize("typed", ["", "+", "1", "14", "1415555", "+44 20"])
def test_a_number_that_is_not_all_there_is_not_called_wrong(browser, typed):
    said, _, is_wrong = check(browser, typed)

    assert (said, is_wrong) == ("", False)


def test_a_whole_number_says_where_it_rings_and_what_time_it_is_there(browser):
    said, formatted, is_wrong = check(browser, "14155551234")

    assert said.startswith("San Francisco, CA, United States. It is ")
    assert (formatted, is_wrong) == ("+1 415-555-1234", False)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("1415555123456789", "this one has 16"),
        ("14155551", None),
        ("04155551234", "Begin with the country code"),
        ("1415call", "digits only"),
        ("19005551234", "premium"),
        ("33142685300", "DIAL_COUNTRIES"),
        ("9" * 4000, "15 digits"),
    ],
)
def test_what_is_wrong_is_said_before_it_is_sent(browser, typed, why):
    said, _, is_wrong = check(browser, typed)

    assert is_wrong == bool(why)
    assert (why or "") in said


def test_a_number_on_the_do_not_call_list_is_said_to_be(browser):
    DoNotCall.objects.create(number="+14155551234")

    said, _, is_wrong = check(browser, "14155551234")

    assert is_wrong
    assert "do-not-call" in said


def test_who_may_not_dial_learns_nothing_of_a_number(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody"))

    assert client.post("/dial/check/", {"number": "1415"}).status_code == 403


# The day


def facts(browser):
    """`{"Calls": "2", …}`."""
    return dict(browser.get("/").context["numbers"])


def test_the_numbers_of_the_day_are_of_today(browser):
    now = timezone.now()
    a_call(
        status="completed",
        answered_at=now,
        duration_seconds=65,
        price=Decimal("-0.0085"),
        price_unit="USD",
    )
    call = a_call(
        status="completed",
        answered_at=now,
        duration_seconds=60,
        price=Decimal("-0.0265"),
        price_unit="USD",
    )
    for _ in range(2):
        Transcript.objects.create(
            recording=a_recording(call=call, sid=None), status="completed", text="Yes."
        )
    a_call(status="busy")
    a_call(status="refused")
    a_call(status="completed", duration_seconds=9, created_at=now - timedelta(days=1))

    assert facts(browser) == {
        "Calls": "3",
        "Answered": "2",
        "Transcribed": "1",
        "Talk time": "2:05 min",
        "Cost of calls": "0.04 USD",
    }


def test_a_day_without_calls_says_so_in_noughts(browser):
    a_call(status="completed", created_at=timezone.now() - timedelta(days=1))

    assert facts(browser) == {"Calls": "0", "Answered": "0", "Transcribed": "0"}


# What needs a look


def concerns(browser):
    """`{number: reason}`, as the page's list says it."""
    found = browser.get("/").context["concerns"]
    return {concern.call.to: concern.reason for concern in found}


def a_transcribed_call(to, age=timedelta(), **columns):
    call = a_call(to=to, status="completed", created_at=timezone.now() - age)
    recording = a_recording(call=call, sid=None)
    return Transcript.objects.create(
        recording=recording, **{"status": "completed", "text": "Yes.", **columns}
    )


def test_failed_silent_and_doubtful_calls_need_a_look(browser):
    a_call(to="+14155550001", status="failed", error="Twilio refused.")
    a_transcribed_call("+14155550002", status="error", error="Too short.")
    a_transcribed_call("+14155550003", text="", confidence=0.0)
    a_transcribed_call("+14155550004", confidence=0.41)
    a_recording(call=a_call(to="+14155550005"), status="failed")
    # These do not.
    a_transcribed_call("+14155550006", confidence=0.97)
    a_call(to="+14155550007", status="busy")
    a_call(to="+14155550008", status="ringing")

    assert concerns(browser) == {
        "+14155550001": "Twilio refused.",
        "+14155550002": "Could not be transcribed.",
        "+14155550003": "Nobody spoke.",
        "+14155550004": "Only 41% sure of the words.",
        "+14155550005": "Could not be recorded.",
    }


def test_a_second_transcript_that_is_good_settles_it(browser):
    first = a_transcribed_call("+14155550002", status="error")
    Transcript.objects.create(
        recording=first.recording, status="completed", text="Yes.", confidence=0.9
    )

    assert concerns(browser) == {}


def test_a_call_is_named_once_for_its_newest_transcript(browser):
    first = a_transcribed_call("+14155550002", status="error")
    Transcript.objects.create(
        recording=first.recording, status="completed", text="Yes.", confidence=0.3
    )

    assert concerns(browser) == {"+14155550002": "Only 30% sure of the words."}


def test_a_call_that_was_tried_many_times_hides_no_other(browser):
    first = a_transcribed_call("+14155550002", status="error")
    for _ in range(20):
        Transcript.objects.create(recording=first.recording, status="error")
    a_transcribed_call("+14155550003", age=timedelta(hours=1), text="")

    assert list(concerns(browser)) == ["+14155550002", "+14155550003"]


def test_old_worries_are_let_go(browser):
    a_transcribed_call("+14155550002", age=timedelta(days=4), status="error")

    assert concerns(browser) == {}


def test_a_quiet_day_shows_no_list_of_worries(browser):
    a_transcribed_call("+14155550006", confidence=0.97)

    assert "Needs attention" not in browser.get("/").text


def test_what_needs_a_look_is_found_through_an_index(browser):
    """However many calls there were: nothing reads all of three days."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole")
    with CaptureQueriesContext(connection) as captured:
        browser.get("/")

    (statement,) = (
        query["sql"]
        for query in captured
        if "CASE WHEN" in query["sql"] and "LIMIT 160" in query["sql"]
    )
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "transcript_by_concern" in plan
    assert "SCAN" not in plan


def test_what_a_later_transcript_put_right_does_not_hide_the_others(browser):
    for number in range(20):
        call = a_call(to=f"+1415555{3000 + number}", status="completed")
        recording = a_recording(call=call, sid=f"RE{number:032}")
        Transcript.objects.create(recording=recording, status="error", error="No.")
        if number >= 4:
            Transcript.objects.create(
                recording=recording, status="completed", text="Hi.", confidence=0.9
            )

    assert list(concerns(browser)) == [f"+1415555{3000 + n}" for n in (3, 2, 1, 0)]
