"""Each operator sees days and times in their own zone. Every page names the zone."""

import csv
import io
import logging
import re
from datetime import datetime, timezone
from unittest.mock import patch
from uuid import uuid4
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as django_timezone
from docx import Document
from pypdf import PdfReader

from caller.models import Call
from djtranscribe.logs import LineFormatter
from djtranscribe.management.commands.doctor import check_settings
from djtranscribe.models import ApiToken, Profile
from tests.caller.rows import a_call, a_recording
from tests.djtranscribe.test_settings import COMPLETE, python
from transcription.models import Notification, Transcript
from transcription.notifications import delivery

pytestmark = pytest.mark.django_db

SYDNEY, KOLKATA, HONOLULU = "Australia/Sydney", "Asia/Kolkata", "Pacific/Honolulu"
ADMIN_CALLS = "/admin/caller/call/"


def utc(text):
    """Turn a text such as `2026-11-26 22:00`, which is in UTC, into a datetime."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def live_in(user, zone):
    Profile.objects.update_or_create(user=user, defaults={"time_zone": zone})


def at(moment):
    """Let `django.utils.timezone.now` return this time. All other clocks go on."""
    return patch("django.utils.timezone.now", return_value=utc(moment))


def calls_at(*moments):
    for n, moment in enumerate(moments):
        call = a_call(
            other_number=f"+1415555{n:04}", status="completed", next_check_at=None
        )
        Call.objects.filter(pk=call.pk).update(created_at=utc(moment))


def shown(browser, first, last):
    answer = browser.get(ADMIN_CALLS, {"from": first, "to": last})
    assert answer.status_code == 200
    return {call.created_at for call in answer.context["cl"].result_list}


# "Today"


@pytest.mark.sql
@pytest.mark.parametrize(
    ("zone", "now", "of_today", "of_yesterday"),
    [
        # In Sydney it is 9:00 on the 27th. This day began at 13:00 on the 26th, in UTC.
        (SYDNEY, "2026-11-26 22:00", "2026-11-26 13:00", "2026-11-26 12:59"),
        (KOLKATA, "2026-11-26 20:00", "2026-11-26 18:30", "2026-11-26 18:29"),
        ("Asia/Kathmandu", "2026-11-26 20:00", "2026-11-26 18:15", "2026-11-26 18:14"),
        (
            "Pacific/Kiritimati",
            "2026-11-26 12:00",
            "2026-11-26 10:00",
            "2026-11-26 09:59",
        ),
        (
            "Pacific/Auckland",
            "2026-11-26 12:00",
            "2026-11-26 11:00",
            "2026-11-26 10:59",
        ),
        (HONOLULU, "2026-11-27 09:00", "2026-11-26 10:00", "2026-11-26 09:59"),
        ("", "2026-11-26 22:00", "2026-11-26 00:00", "2026-11-25 23:59"),
        # Clocks went back from 01:00 to 00:00. The day begins at the first midnight.
        ("America/Havana", "2026-11-01 05:30", "2026-11-01 04:10", "2026-11-01 03:59"),
        # Clocks went forward from 00:00 to 01:00, so the day begins at 01:00.
        ("Africa/Cairo", "2026-04-24 06:00", "2026-04-23 22:00", "2026-04-23 21:59"),
    ],
)
def test_today_is_the_day_of_the_operator(
    browser, operator, zone, now, of_today, of_yesterday
):
    live_in(operator, zone)
    calls_at(of_today, of_yesterday)

    with at(now):
        home = browser.get("/")
        today = re.search(r'href="(\?from=[^"]*)">Today', browser.get(ADMIN_CALLS).text)
        count = browser.get(ADMIN_CALLS + today[1].replace("&amp;", "&"))

    assert dict(home.context["numbers"])["Calls"] == "1"
    assert count.context["cl"].result_count == 1


@pytest.mark.sql
@pytest.mark.parametrize(
    ("zone", "day", "begin", "last", "end"),
    [
        # These days have 23 or 25 hours.
        (SYDNEY, "2026-10-04", "10-03 14:00", "10-04 12:59", "10-04 13:00"),
        (SYDNEY, "2026-04-05", "04-04 13:00", "04-05 13:59", "04-05 14:00"),
        ("Europe/Berlin", "2026-03-29", "03-28 23:00", "03-29 21:59", "03-29 22:00"),
        ("Europe/Berlin", "2026-10-25", "10-24 22:00", "10-25 22:59", "10-25 23:00"),
        # This day has 23.5 hours.
        (
            "Australia/Lord_Howe",
            "2026-10-04",
            "10-03 13:30",
            "10-04 12:59",
            "10-04 13:00",
        ),
        ("Africa/Cairo", "2026-04-24", "04-23 22:00", "04-24 20:59", "04-24 21:00"),
        ("America/Havana", "2026-11-01", "11-01 04:00", "11-02 04:59", "11-02 05:00"),
        (KOLKATA, "2026-11-27", "11-26 18:30", "11-27 18:29", "11-27 18:30"),
        (
            "Pacific/Kiritimati",
            "2026-11-27",
            "11-26 10:00",
            "11-27 09:59",
            "11-27 10:00",
        ),
        (HONOLULU, "2026-11-27", "11-27 10:00", "11-28 09:59", "11-28 10:00"),
    ],
)
def test_the_date_filter_takes_a_whole_day_and_no_more(
    browser, operator, zone, day, begin, last, end
):
    live_in(operator, zone)
    calls_at(f"2026-{begin}", f"2026-{last}", f"2026-{end}")

    within = {utc(f"2026-{begin}"), utc(f"2026-{last}")}
    assert shown(browser, day, day) == within


@pytest.mark.sql
@pytest.mark.parametrize("zone", [SYDNEY, HONOLULU, "Pacific/Kiritimati"])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "9999-12-30"])
def test_days_at_the_ends_of_the_calendar_break_nothing(browser, operator, zone, day):
    live_in(operator, zone)

    answer = browser.get(ADMIN_CALLS, {"from": day, "to": day})

    assert answer.status_code in (200, 302)


# Every page names the zone


@pytest.fixture
def transcript(operator):
    call = a_call(status="completed", next_check_at=None, requested_by=operator)
    row = Transcript.objects.create(
        recording=a_recording(call=call), status="completed", text="Good morning."
    )
    Transcript.objects.update(created_at=utc("2026-11-26 22:05"))
    Call.objects.update(created_at=utc("2026-11-26 22:05"))
    row.refresh_from_db()
    return row


LABELS = [
    (SYDNEY, "Australia/Sydney (UTC+11)"),
    (KOLKATA, "Asia/Kolkata (UTC+5:30)"),
    (HONOLULU, "Pacific/Honolulu (UTC-10)"),
    ("Pacific/Kiritimati", "Pacific/Kiritimati (UTC+14)"),
    ("America/St_Johns", "America/St_Johns (UTC-3:30)"),
    ("", "UTC"),
]


@pytest.mark.parametrize(("zone", "label"), LABELS)
def test_every_page_names_the_zone(browser, operator, transcript, zone, label):
    live_in(operator, zone)
    call, recording = transcript.recording.call, transcript.recording

    with at("2026-11-27 01:00"):
        for path in (
            *("/", "/search/?q=morning", "/profile/", "/dial/14155551234/", "/nothing"),
            *("/dial/12/", f"/calls/{call.uuid}/", "/admin/", ADMIN_CALLS),
            *(f"{ADMIN_CALLS}{call.pk}/change/", "/admin/transcription/transcript/"),
            f"/admin/transcription/transcript/{transcript.pk}/change/",
            f"/admin/caller/recording/{recording.pk}/change/",
        ):
            page = browser.get(path).text
            assert f"Times are in {label}" in re.sub("<[^>]+>", "", page), path


def test_times_are_those_of_the_zone(browser, operator, transcript):
    live_in(operator, SYDNEY)
    call = transcript.recording.call

    assert "27 November 2026" in browser.get(f"/calls/{call.uuid}/").text
    assert "27 November 2026, 09:05" in browser.get("/search/?q=morning").text
    assert "27 Nov 2026, 09:05:00" in browser.get(ADMIN_CALLS).text


def test_the_next_request_has_its_own_zone(browser, operator, transcript):
    live_in(operator, KOLKATA)
    other = Client()
    other.force_login(User.objects.create_user("grace"))

    assert KOLKATA in browser.get("/").text
    assert KOLKATA not in other.get("/").text
    assert KOLKATA not in Client().get("/admin/login/").text
    assert django_timezone.get_current_timezone_name() == "UTC"


def test_time_zone_of_the_site_is_the_default(browser, settings, transcript):
    settings.TIME_ZONE = SYDNEY

    assert "27 November 2026, 09:05" in browser.get("/search/?q=morning").text


def test_a_zone_that_this_machine_no_longer_knows_is_passed_over(browser, operator):
    for odd in ("Mars/Olympus", "../../etc/passwd", "America", "/etc/passwd"):
        live_in(operator, odd)

        for path in ("/", "/profile/"):
            answer = browser.get(path)
            assert answer.status_code == 200
            assert "UTC" in answer.text


def test_a_session_from_before_the_upgrade_goes_on(client, operator):
    live_in(operator, KOLKATA)
    client.force_login(operator, "django.contrib.auth.backends.ModelBackend")

    assert "Asia/Kolkata (UTC+5:30)" in client.get("/").text


@pytest.mark.parametrize("path", ["/", "/search/?q=a", "/profile/", ADMIN_CALLS])
def test_the_zone_costs_no_query(
    browser, operator, settings, path, django_assert_num_queries
):
    without = [
        m for m in settings.MIDDLEWARE if not m.endswith("activate_user_time_zone")
    ]
    live_in(operator, KOLKATA)
    browser.get(path)
    with CaptureQueriesContext(connection) as counted:
        browser.get(path)

    settings.MIDDLEWARE = without

    with django_assert_num_queries(len(counted)):
        browser.get(path)


# The confirmation page before a call


@pytest.mark.parametrize(
    ("zone", "mine"),
    [
        (SYDNEY, "20:30</strong> in Australia/Sydney (UTC+10)"),
        (KOLKATA, "16:00</strong> in Asia/Kolkata (UTC+5:30)"),
        (HONOLULU, "00:30</strong> in Pacific/Honolulu (UTC-10)"),
    ],
)
def test_warning_uses_local_time_and_shows_the_operators_time(
    browser, operator, zone, mine
):
    live_in(operator, zone)

    with at("2026-07-01 10:30"):
        page = browser.get("/dial/14155551234/").text

    assert "It is <strong>03:30</strong> there." in page
    assert mine in page
    assert "people expect calls between 8:00 and 21:00" in page


@pytest.mark.parametrize(
    ("zone", "warns"),
    [(SYDNEY, False), (HONOLULU, False), (KOLKATA, True), ("Europe/London", True)],
)
def test_warning_uses_the_operators_time_if_the_location_is_unknown(
    browser, operator, settings, zone, warns
):
    settings.DIAL_COUNTRIES = ["001"]
    live_in(operator, zone)

    with at("2026-01-15 23:00"):
        page = browser.get("/dial/80012345678/").text

    assert ("The time there is not known" in page) is warns


@pytest.mark.sql
def test_calls_to_a_number_are_counted_over_24_hours_in_every_zone(browser, operator):
    calls_at("2026-11-26 12:30")
    Call.objects.update(other_number="+14155551234")
    live_in(operator, SYDNEY)

    with at("2026-11-26 22:00"):
        page = browser.get("/dial/14155551234/").text

    # In Sydney the call was yesterday, but less than 24 hours ago.
    assert "Called 1 time in the last 24 hours." in page


# Files


def words_of(content, extension):
    file = io.BytesIO(content)
    if extension == "docx":
        return "\n".join(p.text for p in Document(file).paragraphs)
    return PdfReader(file).pages[0].extract_text()


@pytest.mark.parametrize("extension", ["docx", "pdf"])
@pytest.mark.parametrize(
    ("zone", "when"),
    [
        (SYDNEY, "27 November 2026, 09:05 Australia/Sydney (UTC+11)"),
        (KOLKATA, "27 November 2026, 03:35 Asia/Kolkata (UTC+5:30)"),
        (HONOLULU, "26 November 2026, 12:05 Pacific/Honolulu (UTC-10)"),
        ("", "26 November 2026, 22:05 UTC"),
    ],
)
def test_a_file_names_the_zone_on_every_way(
    browser, operator, transcript, extension, zone, when
):
    live_in(operator, zone)
    path = f"transcripts/{transcript.uuid}/export/{extension}"
    token = ApiToken(user=operator, name="CRM")
    secret = token.new_secret()
    token.save()
    form = {
        "action": "export",
        "_selected_action": [transcript.pk],
        "kind": extension,
        "export": uuid4(),
    }

    page = browser.get(f"/{path}/")
    program = Client().get(
        f"/api/{path}", headers={"Authorization": f"Bearer {secret}"}
    )
    many = browser.post("/admin/transcription/transcript/", form)

    day = "2026-11-26" if zone in (HONOLULU, "") else "2026-11-27"
    for answer in (page, program):
        assert when in " ".join(words_of(answer.content, extension).split())
        assert f"transcript-{day}-" in answer["Content-Disposition"]
    # The archive is created now, after the view and the middleware have returned. It
    # must still use the operator's zone.
    archive = ZipFile(io.BytesIO(b"".join(many.streaming_content)))
    (name,) = archive.namelist()
    assert name.startswith(f"transcript-{day}-")
    assert when in " ".join(words_of(archive.read(name), extension).split())


@pytest.mark.sql
def test_days_of_a_search_by_a_program_are_those_of_its_account(operator, transcript):
    Transcript.objects.update(created_at=utc("2026-11-26 13:30"))
    live_in(operator, SYDNEY)
    token = ApiToken(user=operator, name="CRM")
    secret = token.new_secret()
    token.save()
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    other = User.objects.create_user("other")
    live_in(other, HONOLULU)
    # The session cookie of another account must not change the time zone.
    program.force_login(other)

    def found(q):
        return program.get("/api/transcripts", {"q": q}).json()["items"]

    [item] = found("after:2026-11-27")
    assert item["created_at"] == "2026-11-26T13:30:00Z"
    assert found("before:2026-11-27") == []


def test_a_file_and_the_print_view_of_winter_name_the_offset_of_winter(
    browser, operator, transcript
):
    Call.objects.update(created_at=utc("2026-07-01 10:00"))
    live_in(operator, SYDNEY)

    answer = browser.get(f"/transcripts/{transcript.uuid}/export/docx/")
    page = browser.get(f"/transcripts/{transcript.uuid}/print/").text

    assert "20:00 Australia/Sydney (UTC+10)" in words_of(answer.content, "docx")
    assert "1 July 2026, 20:00 (Australia/Sydney (UTC+10))" in page


def test_machine_readable_times_have_a_utc_offset(browser, operator, transcript):
    live_in(operator, KOLKATA)
    token = ApiToken(user=operator, name="CRM")
    secret = token.new_secret()
    token.save()
    form = {
        "action": "export",
        "_selected_action": [transcript.pk],
        "kind": "csv",
        "export": uuid4(),
    }

    listed = Client().get("/api/calls", headers={"Authorization": f"Bearer {secret}"})
    table = browser.post("/admin/transcription/transcript/", form)
    one = browser.get(f"/transcripts/{transcript.uuid}/export/json/").json()

    text = b"".join(table.streaming_content).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    times = [row["created"], row["recorded"], one["created_at"], one["recorded_at"]]
    times += [call["created_at"] for call in listed.json()["items"]]
    for time in times:
        moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
        assert moment == utc("2026-11-26 22:05")
        assert moment.utcoffset() is not None


# E-mail, logs, commands


@pytest.mark.parametrize(
    ("zone", "when"),
    [
        (SYDNEY, "27 Nov 2026, 09:05 Australia/Sydney (UTC+11)"),
        (HONOLULU, "26 Nov 2026, 12:05 Pacific/Honolulu (UTC-10)"),
        (KOLKATA, "27 Nov 2026, 03:35 Asia/Kolkata (UTC+5:30)"),
        ("", "26 Nov 2026, 22:05 UTC"),
    ],
)
def test_an_e_mail_has_the_time_of_its_reader(
    settings, operator, transcript, mailoutbox, zone, when
):
    settings.NOTIFY_EMAIL = True
    live_in(operator, zone)
    User.objects.update(email="ada@example.com")
    Notification.objects.create(
        transcript=transcript,
        about=transcript.uuid,
        kind="email",
        event="transcript.completed",
        finished_at=django_timezone.now(),
        next_attempt_at=django_timezone.now(),
        facts={"nobody_spoke": False, "error": ""},
    )

    delivery.deliver("email")

    assert f"Your call of {when} was transcribed." in mailoutbox[0].body


@pytest.mark.parametrize(
    ("zone", "time"),
    [
        ("UTC", "2026-11-26T22:05:00.000+00:00"),
        (SYDNEY, "2026-11-27T09:05:00.000+11:00"),
        (KOLKATA, "2026-11-27T03:35:00.000+05:30"),
        (HONOLULU, "2026-11-26T12:05:00.000-10:00"),
    ],
)
def test_a_log_line_has_its_offset(settings, zone, time):
    settings.TIME_ZONE = zone
    record = logging.makeLogRecord({"created": utc("2026-11-26 22:05").timestamp()})

    with django_timezone.override("Asia/Tokyo"):
        assert LineFormatter("{asctime}", style="{").format(record) == time


@pytest.mark.parametrize("zone", [SYDNEY, KOLKATA, HONOLULU])
def test_doctor_names_the_zone(settings, zone):
    settings.TIME_ZONE = settings.SITE_TIME_ZONE = zone

    assert f"times are in {zone} (UTC" in check_settings()


# The setting


@pytest.mark.slow
# Two names are enough: test_checks.py tests the same function with more names.
@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd"])
def test_invalid_time_zone_setting_is_refused_without_a_traceback(name):
    done = python("manage.py", "check", **{**COMPLETE, "TIME_ZONE": name})

    assert done.returncode == 1
    assert "djtranscribe.E003" in done.stderr
    assert "HINT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "America/Argentina/Buenos_Aires"])
def test_valid_time_zone_setting_is_accepted(name):
    done = python("manage.py", "check", **{**COMPLETE, "TIME_ZONE": name})

    assert done.returncode == 0, done.stderr


def test_a_machine_without_zone_data_takes_them_from_the_package():
    environment = {"TIME_ZONE": SYDNEY, "PYTHONTZPATH": ""}

    done = python("manage.py", "check", **COMPLETE, **environment)

    assert done.returncode == 0, done.stderr


# The profile


def test_an_operator_chooses_a_zone(browser, operator):
    saved = browser.post("/profile/", {"time_zone": SYDNEY}, follow=True)

    assert "Your profile is saved." in saved.text
    assert f'<option value="{SYDNEY}" selected>' in saved.text
    assert "Australia/Sydney (UTC+1" in browser.get("/").text

    browser.post("/profile/", {"time_zone": ""})

    assert Profile.objects.get().time_zone == ""
    assert SYDNEY not in browser.get("/").text


@pytest.mark.parametrize(
    "typed", ["Mars/Olympus", "../../etc/passwd", "x" * 5000, "UTC\0", "localtime"]
)
def test_invalid_time_zone_in_the_profile_is_refused(browser, operator, typed):
    live_in(operator, KOLKATA)

    answer = browser.post("/profile/", {"time_zone": typed})

    assert answer.status_code == 200
    assert "errorlist" in answer.text
    assert Profile.objects.get().time_zone == KOLKATA


def test_operator_cannot_change_the_profile_of_another_account(browser, operator):
    grace = User.objects.create_user("grace")
    live_in(grace, HONOLULU)

    browser.post("/profile/", {"time_zone": SYDNEY, "user": grace.pk, "id": 1})

    assert Profile.objects.get(user=grace).time_zone == HONOLULU
    assert Profile.objects.get(user=operator).time_zone == SYDNEY


def test_superusers_edit_profiles_in_admin(admin_client, operator):
    path = "/admin/djtranscribe/profile/"

    admin_client.post(f"{path}add/", {"user": operator.pk, "time_zone": SYDNEY})
    row = Profile.objects.get(user=operator)
    answer = admin_client.post(
        f"{path}{row.pk}/change/", {"user": operator.pk, "time_zone": "Mars/Olympus"}
    )

    assert (row.time_zone, answer.status_code) == (SYDNEY, 200)
    assert Profile.objects.get(user=operator).time_zone == SYDNEY
    assert SYDNEY in admin_client.get(path).text
