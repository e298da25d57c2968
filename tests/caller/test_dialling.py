"""The rules of dialling: refused calls, limits, and the page before dialling."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from unittest.mock import patch

import phonenumbers
import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.test import Client
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from caller.models import Call, DoNotCall
from caller.phone_numbers import clean_number
from tests.caller.rows import CALL_SID, CALLS, DIAL, NUMBER, TYPED, a_call
from tests.data import load
from tests.postgresql import new_database
from tests.security.rush import REQUESTS
from tests.tables import new_sqlite

pytestmark = [pytest.mark.django_db, pytest.mark.sql, pytest.mark.quick]

JAMAICA, CANADA, LONDON = "18764561234", "16135551234", "442079460123"


@pytest.fixture
def twilio_answers(vendors, db):
    return vendors.post(CALLS, json=load("twilio/call"), status=201)


@pytest.fixture
def refused(browser, vendors):
    """Return a function that presses the dial button and returns the refused call."""

    def press(digits=NUMBER[1:]):
        answer = browser.post(f"/dial/{digits}/")
        call = Call.objects.latest("pk")
        assert answer["Location"] == call.get_absolute_url()
        assert call.status == "refused"
        assert len(vendors.calls) == 0, "Twilio was asked"
        return call

    return press


def earlier_calls(count, *, ago=timedelta(), **columns):
    columns = {"status": "completed", **columns}
    for _ in range(count):
        call = a_call(**columns)
        Call.objects.filter(pk=call.pk).update(created_at=call.created_at - ago)


# The do-not-call list


def test_a_number_on_the_do_not_call_list_is_refused(refused):
    DoNotCall.objects.create(number=NUMBER, reason="asked us in May")

    call = refused()

    assert call.error == "This number is on the do-not-call list."


def test_typed_url_does_not_bypass_the_do_not_call_list(browser, vendors):
    DoNotCall.objects.create(number=NUMBER)

    answer = browser.get(DIAL, headers=TYPED)

    call = Call.objects.get()
    assert answer["Location"] == call.get_absolute_url()
    assert call.status == "refused"
    assert len(vendors.calls) == 0


@pytest.mark.parametrize(
    "written", ["14155551234", "+1 415 555 1234", "+1 (415) 555-1234"]
)
def test_the_list_takes_a_number_as_people_write_it(written):
    DoNotCall.objects.create(number=written)

    assert DoNotCall.objects.get().number == NUMBER


# Both spellings ring the same phone. The second spelling also has the prefix of
# domestic calls: 1 in the USA, 0 in Britain and Germany.
OTHER_SPELLINGS = [
    ("+14155551234", "114155551234"),
    ("+442079460123", "4402079460123"),
    ("+49301234567", "490301234567"),
]


@pytest.mark.parametrize(("number", "spelling"), OTHER_SPELLINGS)
def test_another_spelling_of_a_number_on_the_list_is_not_dialled(
    browser, vendors, number, spelling
):
    DoNotCall.objects.create(number=number)

    browser.post(f"/dial/{spelling}/")

    assert not Call.objects.exclude(status="refused").exists()
    assert len(vendors.calls) == 0


@pytest.mark.parametrize(("number", "spelling"), OTHER_SPELLINGS)
def test_another_spelling_does_not_ring_a_phone_that_rings_already(
    browser, vendors, number, spelling
):
    a_call(other_number=number, status="ringing")

    browser.post(f"/dial/{spelling}/")

    assert Call.objects.unfinished().count() == 1
    assert len(vendors.calls) == 0


@pytest.mark.parametrize(("number", "spelling"), OTHER_SPELLINGS)
def test_other_spelling_shares_the_limit_of_its_number(
    browser, vendors, settings, number, spelling
):
    settings.MAX_CALLS_PER_NUMBER_DAY = 1
    earlier_calls(1, other_number=number)

    browser.post(f"/dial/{spelling}/")

    assert len(vendors.calls) == 0


# Countries


@pytest.mark.parametrize("digits", [JAMAICA, CANADA, "18095551234", LONDON])
def test_the_country_is_that_of_the_whole_number_and_not_of_its_prefix(
    refused, settings, digits
):
    settings.DIAL_COUNTRIES = ["US"]

    call = refused(digits)

    assert "are not allowed here, only to: United States." in call.error


def test_jamaica_is_named_when_it_is_refused(refused, settings):
    settings.DIAL_COUNTRIES = ["US"]

    assert refused(JAMAICA).error.startswith("Calls to Jamaica are not allowed")


@pytest.mark.parametrize(
    ("ours", "other"), [("+14155550100", LONDON), ("+442079460000", NUMBER[1:])]
)
def test_without_a_setting_only_the_country_of_our_own_number_is_called(
    refused, settings, ours, other
):
    settings.DIAL_COUNTRIES, settings.TWILIO_PHONE_NUMBER = [], ours

    assert "are not allowed here" in refused(other).error


def test_without_a_setting_our_own_country_is_called(browser, twilio_answers, settings):
    settings.DIAL_COUNTRIES = []

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


@pytest.mark.parametrize("digits", ["80012345678", "88213456789"])
def test_numbers_of_no_country_are_refused(refused, settings, digits):
    settings.DIAL_COUNTRIES = []

    assert "are not allowed here" in refused(digits).error


# Kinds of numbers


def examples(kind):
    found = {
        phonenumbers.format_number(number, PhoneNumberFormat.E164)
        for region in phonenumbers.SUPPORTED_REGIONS
        if (number := phonenumbers.example_number_for_type(region, kind))
        and phonenumbers.is_valid_number(number)
        and phonenumbers.number_type(number) == kind
    }
    assert found
    return found


@pytest.mark.parametrize(
    "kind", [PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST]
)
def test_expensive_kinds_are_refused_in_every_country(kind):
    for number in examples(kind):
        with pytest.raises(ValidationError) as caught:
            clean_number(number)
        assert caught.value.code in ("premium", "length"), number


def test_a_kind_that_nobody_knows_is_refused():
    unknown = PhoneNumberType.UNKNOWN
    with (
        patch("phonenumbers.number_type", return_value=unknown),
        pytest.raises(ValidationError, match="does not publish"),
    ):
        clean_number(NUMBER)


def test_ordinary_numbers_of_every_country_are_kept_as_they_are():
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        for number in examples(kind):
            assert clean_number(number) == number


# Limits


def test_daily_limit_of_calls_per_number_is_enforced(refused, settings):
    settings.MAX_CALLS_PER_NUMBER_DAY = 3
    earlier_calls(3)

    assert refused().error == (
        "The limit for this number is reached: 3 calls within 24 hours "
        "(MAX_CALLS_PER_NUMBER_DAY). Wait, or ask an administrator to raise the limit."
    )


def test_the_last_call_before_the_limit_is_made(browser, twilio_answers, settings):
    settings.MAX_CALLS_PER_NUMBER_DAY = 3
    earlier_calls(2)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


def test_hourly_limit_of_calls_per_operator_is_enforced(refused, operator, settings):
    settings.MAX_CALLS_PER_OPERATOR_HOUR = 2
    earlier_calls(2, other_number="+14155550001", requested_by=operator)

    assert refused().error == (
        "The limit for one operator is reached: 2 calls within an hour "
        "(MAX_CALLS_PER_OPERATOR_HOUR). Wait, or ask an administrator to raise the "
        "limit."
    )


def test_another_operator_has_a_limit_of_his_own(
    browser, twilio_answers, settings, django_user_model
):
    settings.MAX_CALLS_PER_OPERATOR_HOUR = 2
    other = django_user_model.objects.create_user("bob")
    earlier_calls(2, other_number="+14155550001", requested_by=other)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


def test_daily_limit_of_calls_per_site_is_enforced(refused, settings):
    settings.MAX_CALLS_PER_DAY = 4
    for number in range(4):
        earlier_calls(1, other_number=f"+1415555000{number}")

    assert refused().error == (
        "The limit of this site is reached: 4 calls within 24 hours "
        "(MAX_CALLS_PER_DAY). Wait, or ask an administrator to raise the limit."
    )


@pytest.mark.parametrize(
    ("limit", "ago"),
    [
        ("MAX_CALLS_PER_NUMBER_DAY", timedelta(hours=24, seconds=1)),
        ("MAX_CALLS_PER_DAY", timedelta(hours=24, seconds=1)),
        ("MAX_CALLS_PER_OPERATOR_HOUR", timedelta(hours=1, seconds=1)),
    ],
)
def test_older_calls_do_not_count_toward_limits(
    browser, operator, twilio_answers, settings, limit, ago
):
    setattr(settings, limit, 1)
    earlier_calls(3, ago=ago, requested_by=operator)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


def test_calls_that_failed_count_too(refused, settings):
    settings.MAX_CALLS_PER_NUMBER_DAY = 2
    earlier_calls(1, status="failed")
    earlier_calls(1, status="busy")

    assert "for this number is reached: 2 calls" in refused().error


@pytest.mark.parametrize(
    "limit",
    ["MAX_CALLS_PER_NUMBER_DAY", "MAX_CALLS_PER_DAY", "MAX_CALLS_PER_OPERATOR_HOUR"],
)
def test_refused_attempts_use_up_no_limit(
    browser, operator, twilio_answers, settings, limit
):
    setattr(settings, limit, 1)
    earlier_calls(3, status="refused", requested_by=operator)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


def test_calls_taken_in_from_twilio_by_reconcile_use_up_no_limit_of_today(
    browser, operator, twilio_answers, vendors, settings
):
    from django.core.management import call_command

    from tests.caller.rows import CALL, RECORDINGS
    from tests.transcription.rows import TRANSCRIPT

    settings.MAX_CALLS_PER_DAY = 1
    theirs = load("twilio/recordings", recordings=[load("twilio/recording")])
    vendors.get(CALLS, json=load("twilio/calls", calls=[]))
    vendors.get(RECORDINGS, json=theirs)
    began = datetime.now(timezone.utc) - timedelta(days=3)
    theirs = load(
        "twilio/call",
        other_number="+14155550009",
        status="completed",
        date_created=format_datetime(began),
    )
    vendors.get(CALL, json=theirs)
    vendors.get(TRANSCRIPT, json=load("assemblyai/list"))
    call_command("reconcile", "--all")
    assert Call.objects.get().sid == CALL_SID
    twilio_answers.body = json.dumps(load("twilio/call", sid="CA" + "9" * 32))

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


# Money


def spend(*prices):
    for number, price in enumerate(prices):
        earlier_calls(
            1, other_number=f"+1415555{number:04}", price=price and Decimal(price)
        )


@pytest.mark.parametrize(
    ("most", "prices"),
    [
        ("1.00", ["-0.91"]),
        ("1.00", ["-0.50", "-0.41"]),
        # A call without a price yet (None) counts as 0.10.
        ("1.00", [None] * 10),
        ("1.00", ["-0.75", None, None]),
        ("0.05", []),
        ("0", []),
    ],
)
def test_call_that_could_exceed_the_daily_spend_limit_is_refused(
    refused, settings, most, prices
):
    settings.MAX_SPEND_PER_DAY = Decimal(most)
    spend(*prices)

    error = refused().error

    assert "the calls of the last 24 hours cost about" in error
    assert f"the limit is {most} (MAX_SPEND_PER_DAY)." in error


@pytest.mark.parametrize(
    ("most", "prices"),
    [
        ("1.00", []),
        ("1.00", ["-0.90"]),
        ("1.00", [None] * 9),
        ("1.00", ["-0.80", None]),
        ("0.10", []),
    ],
)
def test_call_within_the_daily_spend_limit_is_made(
    browser, twilio_answers, settings, most, prices
):
    settings.MAX_SPEND_PER_DAY = Decimal(most)
    spend(*prices)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


def test_older_costs_do_not_count_toward_the_daily_spend_limit(
    browser, twilio_answers, settings
):
    settings.MAX_SPEND_PER_DAY = Decimal("1")
    ago = timedelta(hours=24, seconds=1)
    earlier_calls(1, other_number="+14155550001", price=Decimal("-50"), ago=ago)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


@pytest.mark.parametrize("status", ["busy", "no-answer", "canceled", "failed"])
def test_calls_that_never_connected_are_taken_to_cost_nothing(
    browser, twilio_answers, settings, status
):
    settings.MAX_SPEND_PER_DAY = Decimal("0.10")
    earlier_calls(3, other_number="+14155550001", status=status)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1


# What is stored about a refused attempt


def test_a_refused_attempt_is_kept_with_who_when_and_why_and_is_never_looked_up(
    refused, operator, settings
):
    settings.DIAL_COUNTRIES = ["US"]

    call = refused(LONDON)

    assert (call.other_number, call.requested_by) == (f"+{LONDON}", operator)
    assert (call.sid, call.next_check_at) == (None, None)
    assert call.is_finished


def test_page_of_a_refused_attempt_says_why(refused, browser, settings):
    settings.DIAL_COUNTRIES = ["US"]

    page = browser.get(refused(LONDON).get_absolute_url()).text

    assert "Refused" in page
    assert "Calls to United Kingdom are not allowed here" in page
    assert "hx-get" not in page


def test_admin_shows_it_with_the_reason(refused, browser, settings):
    settings.DIAL_COUNTRIES = ["US"]
    call = refused(LONDON)

    listed = browser.get("/admin/caller/call/?status__exact=refused").text
    shown = browser.get(f"/admin/caller/call/{call.pk}/change/").text

    for page in (listed, shown):
        assert "Refused" in page
        assert "only to: United States." in page


def test_a_number_may_be_dialled_again_after_it_was_refused(
    refused, browser, vendors, settings
):
    settings.DIAL_COUNTRIES = ["GB"]
    refused()
    settings.DIAL_COUNTRIES = ["US"]
    asked = vendors.post(CALLS, json=load("twilio/call"), status=201)

    browser.post(DIAL)

    assert asked.call_count == 1


def test_a_running_call_is_shown_even_when_a_rule_would_refuse_another(
    browser, vendors
):
    call = a_call(status="in-progress")
    DoNotCall.objects.create(number=NUMBER)

    answer = browser.post(DIAL)

    assert answer["Location"] == call.get_absolute_url()
    assert Call.objects.count() == 1
    assert len(vendors.calls) == 0


# Many requests at once


def run_rush(url):
    root = Path(__file__).resolve().parents[2]
    environ = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.rush"],
        check=False,
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    results = map(json.loads, done.stdout.splitlines())
    return {result.pop("rush"): result for result in results}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def rushes(request, tmp_path_factory):
    if request.param == "sqlite":
        file = new_sqlite(tmp_path_factory.mktemp("rush") / "db.sqlite3")
        yield run_rush(f"sqlite:///{file}")
        return
    with new_database("rush") as url:
        yield run_rush(url)


@pytest.mark.slow
def test_many_clicks_at_once_ring_one_phone_once(rushes):
    found = rushes["one number"]

    assert (found["answered"], found["pages"]) == (REQUESTS, 1)
    assert found["asked"] == 1
    assert found["statuses"] == {"queued": 1}


@pytest.mark.slow
def test_many_clicks_at_once_stay_within_the_limit_of_a_number(rushes):
    found = rushes["one number, each call over at once"]

    assert found["answered"] == REQUESTS
    assert 1 <= found["asked"] <= 5
    assert found["statuses"]["busy"] == found["asked"]


@pytest.mark.parametrize(
    ("rush", "most", "reason"),
    [
        ("one operator", 10, "The limit for one operator is reached: 10 calls within"),
        ("the site", 7, "The limit of this site is reached: 7 calls within 24 hours"),
        # The limit is 0.85, and a call is estimated at 0.10: a ninth would exceed it.
        (
            "the money",
            8,
            "No more calls can be placed now: the calls of the last 24 hours cost "
            "about 0.80",
        ),
    ],
)
@pytest.mark.slow
def test_many_simultaneous_calls_are_capped_at_the_limit(rushes, rush, most, reason):
    found = rushes[rush]

    assert (found["answered"], found["pages"]) == (REQUESTS, REQUESTS)
    assert found["asked"] == most
    assert found["statuses"] == {"queued": most, "refused": REQUESTS - most}
    assert len(found["reasons"]) == 1
    assert found["reasons"][0].startswith(reason)


# The notice that was played


def answered(signed_post, call):
    path = f"/record/?call={call.uuid}"
    answer = signed_post(path, load("twilio/twiml-request"))
    assert answer.status_code == 200
    call.refresh_from_db()
    return answer.text


def test_the_notice_that_was_played_is_kept_with_the_call_whatever_is_set_later(
    signed_post, browser, settings
):
    call = a_call(status="ringing")
    assert call.notice == ""
    settings.RECORDING_NOTICE = "Hello. We record this & keep it."
    twiml = answered(signed_post, call)
    settings.RECORDING_NOTICE = "Something else."

    page = browser.get(f"/admin/caller/call/{call.pk}/change/").text

    assert '<Say language="en-US">Hello. We record this &amp; keep it.</Say>' in twiml
    assert call.notice == "Hello. We record this & keep it."
    assert "Hello. We record this &amp; keep it." in page
    assert "Something else." not in page


def test_a_replay_does_not_change_what_was_played(signed_post, admin_client, settings):
    from djtranscribe.models import WebhookDelivery

    call = a_call(status="ringing")
    answered(signed_post, call)
    settings.RECORDING_NOTICE = "A notice that this person never heard."
    delivery = WebhookDelivery.objects.get()

    admin_client.post(
        "/admin/djtranscribe/webhookdelivery/",
        {"action": "replay", "_selected_action": [delivery.pk]},
    )

    delivery.refresh_from_db()
    call.refresh_from_db()
    assert delivery.replayed_at
    assert call.notice == "This call is recorded."


def test_a_call_that_nobody_answered_has_no_notice(signed_post):
    call = a_call(status="ringing")

    signed_post(
        f"/webhooks/twilio/call/?call={call.uuid}",
        load("twilio/status-callback", CallStatus="no-answer"),
    )

    call.refresh_from_db()
    assert (call.status, call.notice) == ("no-answer", "")


# The page before dialling


@pytest.fixture
def page_at(browser):
    """Return a function that returns the text of a number's page.

    clock: when the page is opened on 1 July 2026, in UTC. For example, "17:00".
    """

    def page(clock, digits=NUMBER[1:]):
        hour, minute = map(int, clock.split(":"))
        now = datetime(2026, 7, 1, hour, minute, tzinfo=timezone.utc)
        with patch("django.utils.timezone.now", return_value=now):
            answer = browser.get(f"/dial/{digits}/")
        assert answer.status_code == 200
        return " ".join(answer.text.split())

    return page


WARNING = "people expect calls between 8:00 and 21:00"


def test_it_shows_number_region_and_country_as_people_know_them(page_at):
    page = page_at("17:00")

    assert "+1 415-555-1234" in page
    assert "(415) 555-1234" in page
    assert "San Francisco, CA" in page
    assert "United States" in page


@pytest.mark.parametrize(
    ("utc", "there", "warns"),
    [
        ("14:59", "07:59", True),
        ("15:00", "08:00", False),
        ("03:59", "20:59", False),
        ("04:00", "21:00", True),
        ("10:30", "03:30", True),
        ("20:00", "13:00", False),
    ],
)
def test_it_shows_the_time_there_and_warns_when_people_sleep(
    page_at, utc, there, warns
):
    page = page_at(utc)

    assert f"It is <strong>{there}</strong> there." in page
    assert (WARNING in page) is warns


def test_local_time_follows_the_time_zone_of_the_number(page_at):
    page = page_at("07:30", LONDON)

    # In July, London has summer time, which is an hour ahead of UTC.
    assert "It is <strong>08:30</strong> there." in page
    assert WARNING not in page


def test_number_in_several_time_zones_warns_if_it_is_night_in_one(page_at):
    # Mobile numbers of Australia are used in all its time zones. In Sydney it is
    # 9 o'clock.
    page = page_at("23:00", "61412345678")

    assert "It is between <strong>05:30</strong> and <strong>09:30</strong>" in page
    assert WARNING in page


@pytest.mark.parametrize(("utc", "warns"), [("16:00", False), ("22:00", True)])
def test_the_own_time_counts_if_a_number_belongs_to_distant_time_zones(
    page_at, utc, warns
):
    # This toll-free number may be answered anywhere from Guam to Newfoundland.
    page = page_at(utc, "18005551234")

    assert "there." not in page
    assert (WARNING in page) is warns


def test_it_says_how_often_the_number_was_called_today(page_at, browser):
    assert "Not called in the last 24 hours." in page_at("17:00")
    earlier_calls(2)
    earlier_calls(1, ago=timedelta(hours=25))
    earlier_calls(1, status="refused")
    earlier_calls(1, other_number="+14155559999")

    assert "Called 2 times in the last 24 hours." in " ".join(
        browser.get(DIAL).text.split()
    )


def test_dial_page_of_a_forbidden_number_says_why_without_a_button(browser):
    DoNotCall.objects.create(number=NUMBER)

    page = browser.get(DIAL).text

    assert "This number is on the do-not-call list." in page
    assert "Call +1 415-555-1234</button>" not in page
    assert not Call.objects.exists(), "only an attempt is kept"


# Supervisors edit the do-not-call list


@pytest.fixture
def supervisor(db):
    user = User.objects.create_user("grace", is_staff=True)
    may = Permission.objects.filter(content_type__model="donotcall")
    user.user_permissions.set(may)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_the_list_is_kept_in_admin(supervisor):
    supervisor.post(
        "/admin/caller/donotcall/add/",
        {"number": "+1 (415) 555-1234", "reason": "asked us"},
    )

    assert "+1 415-555-1234" in supervisor.get("/admin/caller/donotcall/").text
    assert DoNotCall.objects.get().number == NUMBER


@pytest.mark.parametrize(
    "typed",
    [
        *("+1 415-555-1234", "(415) 555", "1234", "011 1 415", "555-1234"),
        *("asked", "US by phone"),
    ],
)
def test_a_listed_number_is_found_as_the_list_shows_it(supervisor, typed):
    listed = DoNotCall.objects.create(number=NUMBER, reason="Asked us by phone.")
    DoNotCall.objects.create(number="+442079460123")

    page = supervisor.get("/admin/caller/donotcall/", {"q": typed})

    assert list(page.context_data["cl"].result_list) == [listed]


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("(415) 555-1234", NUMBER),
        ("(646) 212-3456", "+16462123456"),
        ("+44 845 123 4567", "+448451234567"),
    ],
)
def test_the_list_takes_national_numbers_and_those_that_are_never_called(
    supervisor, typed, number
):
    supervisor.post("/admin/caller/donotcall/add/", {"number": typed})

    assert DoNotCall.objects.get().number == number


def test_adding_a_listed_number_in_another_spelling_is_an_error(
    supervisor,
):
    DoNotCall.objects.create(number=NUMBER)

    answer = supervisor.post(
        "/admin/caller/donotcall/add/", {"number": "+1 (415) 555-1234"}
    )

    assert answer.status_code == 200
    assert "already exists" in answer.text
    assert DoNotCall.objects.count() == 1


def test_invisible_characters_do_not_make_a_number_too_long(supervisor):
    pasted = "\u2066\u202a+1 (415) 555\u2011\u200b1234\u202c\u2069"

    supervisor.post("/admin/caller/donotcall/add/", {"number": pasted})

    assert DoNotCall.objects.get().number == NUMBER


def test_invalid_number_cannot_be_added_to_the_do_not_call_list(supervisor):
    answer = supervisor.post("/admin/caller/donotcall/add/", {"number": "ada"})

    assert "digits only" in answer.text
    assert not DoNotCall.objects.exists()
