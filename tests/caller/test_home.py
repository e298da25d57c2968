"""The home page: the dial box, the day's numbers, the calls, what needs attention."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from caller.models import Call, DoNotCall, Leg
from caller.unfinished_numbers import format_while_typing
from djtranscribe.models import Access
from tests.caller.rows import CALL_SID, CALLS, a_call, a_recording
from tests.data import load
from transcription.models import Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def check(browser, typed):
    """Check a typed number. Return the message, the formatted number and `isWrong`."""
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
        ("(+65) 6212 3456", "+65 6212 3456"),
        ("call me", "call me"),
        ("٤٢", "٤٢"),
        ("9" * 40, "9" * 40),
        # 415 does not change: it may be the beginning of a national number.
        ("415", "415"),
        ("4155551234", "+1 415-555-1234"),
        ("(415) 555-1234", "+1 415-555-1234"),
        # 469922704 does not change: a Swedish number, or an unfinished American one.
        ("469922704", "469922704"),
        ("4699227041", "+1 469-922-7041"),
    ],
)
def test_partial_number_is_formatted_while_typing(typed, formatted):
    assert format_while_typing(typed) == formatted


@pytest.mark.parametrize(
    ("typed", "formatted"), [("9198", "9198"), ("9198765432", "+91 91987 65432")]
)
def test_a_national_number_may_begin_with_the_digits_of_the_country_code(
    settings, typed, formatted
):
    settings.TWILIO_PHONE_NUMBER = "+912224937010"

    assert format_while_typing(typed) == formatted


@pytest.mark.parametrize(
    ("typed", "formatted"),
    [
        ("030901820", "+49 30 901820"),
        # These digits may be the beginning of a number in London.
        ("442079", "442079"),
        ("4420794601", "4420794601"),
        ("442079460123", "+44 20 7946 0123"),
    ],
)
def test_a_number_in_london_typed_without_plus_does_not_become_a_german_number(
    settings, typed, formatted
):
    settings.TWILIO_PHONE_NUMBER = "+4930901820"

    assert format_while_typing(typed) == formatted


@pytest.mark.parametrize("typed", ["", "+", "(", "(+", "1", "14", "1415555", "+44 20"])
def test_a_number_that_is_not_all_there_is_not_called_wrong(browser, typed):
    said, _, is_wrong = check(browser, typed)

    assert (said, is_wrong) == ("", False)


def test_a_whole_number_says_where_it_rings_and_what_time_it_is_there(browser):
    said, formatted, is_wrong = check(browser, "14155551234")

    assert said.startswith("<p>San Francisco, CA, United States. It is ")
    assert (formatted, is_wrong) == ("+1 415-555-1234", False)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("1415555123456789", "this one has 16"),
        ("14155551", None),
        ("04155551234", "Begin with the country code"),
        ("1415call", "digits only"),
        ("19005551234", "premium-rate"),
        ("33142685300", "DIAL_COUNTRIES"),
        ("9" * 4000, "15 digits"),
    ],
)
def test_invalid_number_shows_an_error_before_submitting(browser, typed, why):
    said, _, is_wrong = check(browser, typed)

    assert is_wrong == bool(why)
    assert (why or "") in said


def test_a_number_on_the_do_not_call_list_is_said_to_be(browser):
    DoNotCall.objects.create(number="+14155551234")

    said, _, is_wrong = check(browser, "14155551234")

    assert is_wrong
    assert "do-not-call" in said


def test_user_without_dial_permission_cannot_check_a_number(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody"))

    assert client.post("/dial/check/", {"number": "1415"}).status_code == 403


# The numbers of the day


def facts(browser):
    """Return the numbers of the day: `{"Calls": "2", …}`."""
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


def test_the_cost_of_a_conversation_includes_the_operators_phone(browser):
    conversation = a_call(status="completed", kind="conversation", **price("-0.02"))
    Leg.objects.create(call=conversation, number="+14155550199", **price("-0.03"))
    a_call(status="completed", **price("-0.01"))
    # Twilio called only the operator's phone, so only the leg has a price.
    not_dialled = a_call(
        status="canceled",
        kind="conversation",
        created_at=timezone.now() - timedelta(days=1),
    )
    Leg.objects.create(call=not_dialled, number="+14155550199", **price("-0.04"))

    page = browser.get("/")

    assert dict(page.context["numbers"])["Cost of calls"] == "0.06 USD"
    yesterday, today = page.context["days"][-2:]
    assert (yesterday.cost, yesterday.currency) == (Decimal("0.04"), "USD")
    assert (today.calls, today.cost) == (2, Decimal("0.06"))


def price(amount):
    return {"price": Decimal(amount), "price_unit": "USD"}


def test_day_without_calls_shows_zeros(browser):
    a_call(status="completed", created_at=timezone.now() - timedelta(days=1))

    assert facts(browser) == {"Calls": "0", "Answered": "0", "Transcribed": "0"}


def test_charts_show_the_last_two_weeks(browser):
    now = timezone.now()
    for days, calls in ((0, 2), (3, 1), (13, 4), (14, 9)):
        for _ in range(calls):
            a_call(
                status="completed",
                answered_at=now if days else None,
                duration_seconds=90,
                created_at=now - timedelta(days=days),
            )
    a_call(status="refused")

    page = browser.get("/")

    days, plots = page.context["days"], page.context["plots"]
    assert [day.calls for day in days] == [4, *[0] * 9, 1, 0, 0, 2]
    assert [day.answered for day in days] == [4, *[0] * 9, 1, 0, 0, 0]
    assert [day.minutes for day in days] == [6, *[0] * 9, 2, 0, 0, 3]
    # There is no plot of costs, because no call has a price.
    assert [(plot.name, plot.most) for plot in plots] == [
        ("Calls, answered in green", "4"),
        ("Minutes", "6"),
    ]
    assert [bar.height for bar in plots[0].bars] == [40, *[0] * 9, 10, 0, 0, 20]
    assert page.text.count("<svg") == 2


def test_the_charts_are_as_wide_as_their_days(browser, monkeypatch):
    monkeypatch.setattr("caller.days.DAYS", 7)
    a_call(status="completed")

    page = browser.get("/").text

    assert 'viewBox="0 0 70 40"' in page
    assert "The last 7 days as a table" in page


# The latest calls


def latest(browser, query=""):
    """Return (name or number, state, certainty, first words) of each call."""
    return [
        (row.call.who, row.status_text, row.certainty, row.excerpt)
        for row in browser.get(f"/{query}").context["rows"]
    ]


def test_a_list_says_what_was_said_and_how_it_went(browser):
    long = "word " * 60
    a_transcribed_call("+14155552001", text=long, confidence=0.934)
    a_transcribed_call("+14155552002", text="", confidence=None)
    a_transcribed_call("+14155552003", text="Mumble.", confidence=0.4)
    a_transcribed_call("+14155552004", status="error", text="", error="No.")
    a_transcribed_call("+14155552005", status="processing", text="")
    a_transcribed_call("+14155552006", text="Right.", verified_at=timezone.now())
    a_call(other_number="+14155552007", status="no-answer")
    a_call(other_number="+14155552008", status="completed", next_check_at=None)
    a_recording(call=a_call(other_number="+14155552009", status="completed"), sid=None)
    a_call(other_number="+14155552010", status="ringing")

    assert latest(browser) == [
        ("+1 415-555-2010", "Ringing", "", ""),
        ("+1 415-555-2009", "Recorded", "", ""),
        ("+1 415-555-2008", "No recording", "", ""),
        ("+1 415-555-2007", "No answer", "", ""),
        ("+1 415-555-2006", "Transcribed", "verified", "Right."),
        ("+1 415-555-2005", "Transcribing", "", ""),
        ("+1 415-555-2004", "Not transcribed", "", ""),
        ("+1 415-555-2003", "Transcribed", "needs checking", "Mumble."),
        ("+1 415-555-2002", "Nobody spoke", "", ""),
        ("+1 415-555-2001", "Transcribed", "93%", f"{long[:140].rstrip()}…"),
    ]


def test_call_list_polls_only_while_a_call_is_unfinished(browser):
    polls = 'hx-trigger="every 2s"'
    call = a_call(status="ringing")

    moving = browser.get("/").text
    part = browser.get("/", headers={"HX-Request": "true"}).text
    call.status = "busy"
    call.save()

    assert polls in moving
    assert polls in part
    assert "<html" not in part
    assert polls not in browser.get("/").text


def test_filter_mine_shows_only_calls_by_the_operator(browser, operator):
    a_call(other_number="+14155552001", status="busy", requested_by=operator)
    a_call(other_number="+14155552002", status="busy")

    assert len(latest(browser)) == 2
    assert [who for who, *_ in latest(browser, "?whose=mine")] == ["+1 415-555-2001"]


def test_first_words_need_permission_and_reading_is_logged(browser, operator):
    transcript = a_transcribed_call("+14155552001", text="A secret.")

    read = browser.get("/").text
    operator.user_permissions.remove(Permission.objects.get(codename="view_transcript"))

    assert "A secret." in read
    noted = Access.objects.get(action="read", what="transcript")
    assert noted.row == transcript.pk
    assert "A secret." not in browser.get("/").text


def test_the_box_dials_a_number_as_it_is_written_here(browser, vendors):
    vendors.post(CALLS, json=load("twilio/call", sid=CALL_SID), status=201)

    answer = browser.post("/dial/", {"number": "(415) 555-1234"})

    call = Call.objects.get()
    assert call.other_number == "+14155551234"
    assert answer["Location"] == call.get_absolute_url()


def test_the_box_never_dials_by_get(browser, vendors):
    answer = browser.get("/dial/?number=(415) 555-1234")
    wrong = browser.post("/dial/", {"number": "12"})

    assert answer["Location"] == "/dial/14155551234/"
    assert wrong.status_code == 400
    assert not Call.objects.exists()


# What needs attention


def test_each_call_needing_attention_has_a_suitable_button(browser, operator):
    operator.user_permissions.add(Permission.objects.get(codename="add_transcript"))
    failed = a_transcribed_call("+14155553001", status="error", error="No.", text="")
    a_transcribed_call("+14155553002", confidence=0.2)
    a_call(other_number="+14155553003", status="failed")

    found = browser.get("/").context["concerns"]

    assert [(each.label, each.is_post) for each in found] == [
        ("Call again", False),
        ("Check words", False),
        ("Retry transcription", True),
    ]
    answer = browser.post(found[-1].url)
    assert answer.status_code == 302
    failed.refresh_from_db()
    assert failed.status != "error"


def test_attention_list_shows_ten_calls_and_a_link_to_all(browser):
    for n in range(13):
        a_call(other_number=f"+1415555{3000 + n}", status="failed")

    assert len(concerns(browser)) == 10
    assert "?attention=all" in browser.get("/").text
    every = browser.get("/?attention=all")
    assert len(every.context["concerns"]) == 13
    assert "?attention=all" not in every.text


def concerns(browser):
    """Return the page's list of calls that need attention: `{number: reason}`."""
    found = browser.get("/").context["concerns"]
    return {concern.call.other_number: concern.reason for concern in found}


def a_transcribed_call(to, age=timedelta(), **columns):
    call = a_call(other_number=to, status="completed", created_at=timezone.now() - age)
    recording = a_recording(call=call, sid=None)
    return Transcript.objects.create(
        recording=recording, **{"status": "completed", "text": "Yes.", **columns}
    )


def test_failed_silent_and_doubtful_calls_need_a_look(browser):
    a_call(other_number="+14155550001", status="failed", error="Twilio refused.")
    a_transcribed_call("+14155550002", status="error", error="Too short.")
    a_transcribed_call("+14155550003", text="", confidence=0.0)
    a_transcribed_call("+14155550004", confidence=0.41)
    a_recording(call=a_call(other_number="+14155550005"), status="failed")
    # These calls do not need attention.
    a_transcribed_call("+14155550006", confidence=0.97)
    a_call(other_number="+14155550007", status="busy")
    a_call(other_number="+14155550008", status="ringing")
    other = a_transcribed_call("+14155550009", status="queued").recording.call
    a_recording(call=other, sid="RE" + "9" * 32, status="absent")

    assert concerns(browser) == {
        "+14155550001": "Twilio refused.",
        "+14155550002": "Could not be transcribed.",
        "+14155550003": "Nobody spoke.",
        "+14155550004": "AssemblyAI was only 41% sure of the words.",
        "+14155550005": "Twilio could not make this recording.",
    }


def test_calls_without_a_recording_need_a_look(browser, settings):
    settings.MACHINE_DETECTION = "hangup"
    over = {"status": "completed", "next_check_at": None}
    a_call(other_number="+14155550001", **over)
    for number, status in (("+14155550002", "absent"), ("+14155550003", "deleted")):
        a_recording(call=a_call(other_number=number, **over), sid=None, status=status)
    short = a_call(other_number="+14155550009", **over)
    a_recording(call=short, sid=None, status="absent", error="It was too short.")
    # These calls do not need attention.
    a_call(other_number="+14155550004", status="completed")
    a_recording(call=a_call(other_number="+14155550005", **over), sid=None)
    a_call(other_number="+14155550006", answered_by="machine_start", **over)
    a_call(other_number="+14155550007", kind="code", **over)
    a_call(other_number="+14155550008", kind="code", status="failed")

    assert concerns(browser) == {
        "+14155550001": "Twilio has no recording of this call.",
        "+14155550002": "Twilio has no audio for this recording: nothing was recorded.",
        "+14155550003": "The recording was deleted at Twilio before we fetched it.",
        "+14155550009": "It was too short.",
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

    reason = "AssemblyAI was only 30% sure of the words."
    assert concerns(browser) == {"+14155550002": reason}


def test_a_verified_transcript_needs_no_attention(browser):
    transcript = a_transcribed_call("+14155550002", confidence=0.3)
    a_transcribed_call("+14155550003", text="", verified_at=timezone.now())
    assert list(concerns(browser)) == ["+14155550002"]

    Transcript.objects.filter(pk=transcript.pk).update(verified_at=timezone.now())
    assert concerns(browser) == {}

    # A worse transcript, made after the verified one, changes nothing.
    Transcript.objects.create(
        recording=transcript.recording, status="completed", text="No.", confidence=0.2
    )
    assert concerns(browser) == {}


def test_call_with_many_failed_transcripts_does_not_hide_others(browser):
    first = a_transcribed_call("+14155550002", status="error")
    for _ in range(20):
        Transcript.objects.create(recording=first.recording, status="error")
    a_transcribed_call("+14155550003", age=timedelta(hours=1), text="")

    assert list(concerns(browser)) == ["+14155550002", "+14155550003"]


def test_calls_older_than_three_days_need_no_attention(browser):
    a_transcribed_call("+14155550002", age=timedelta(days=4), status="error")

    assert concerns(browser) == {}


def test_a_quiet_day_shows_no_list_of_worries(browser):
    a_transcribed_call("+14155550006", confidence=0.97)

    assert "Needs attention" not in browser.get("/").text


def test_attention_list_query_uses_an_index(browser):
    """With many calls, the page must not read all rows of the last three days."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole")
    with CaptureQueriesContext(connection) as captured:
        browser.get("/")

    (statement,) = (
        query["sql"]
        for query in captured
        if "CASE WHEN" in query["sql"] and "LIMIT 200" in query["sql"]
    )
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "transcript_by_concern" in plan
    assert "SCAN" not in plan


def test_resolved_calls_do_not_hide_unresolved_calls(browser):
    for number in range(20):
        call = a_call(other_number=f"+1415555{3000 + number}", status="completed")
        recording = a_recording(call=call, sid=f"RE{number:032}")
        Transcript.objects.create(recording=recording, status="error", error="No.")
        if number >= 4:
            Transcript.objects.create(
                recording=recording, status="completed", text="Hi.", confidence=0.9
            )

    assert list(concerns(browser)) == [f"+1415555{3000 + n}" for n in (3, 2, 1, 0)]
