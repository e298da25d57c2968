"""A flood of refused attempts does not fill the table, but each one is counted."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from caller import dialling
from caller.models import Call, DoNotCall
from tests.caller.rows import CALLS, DIAL, NUMBER, TYPED, a_call
from tests.data import load
from tests.djtranscribe.api.programs import CALL_AND_READ, dial, program_of

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

# Replaces MAX_REFUSED_ROWS (100), so that the tests need few attempts.
MAX_ROWS = 10
ABROAD = [f"4420794{last:05}" for last in range(60_000, 60_000 + 3 * MAX_ROWS)]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(dialling, "MAX_REFUSED_ROWS", MAX_ROWS)


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DIAL_COUNTRIES = ["US"]


def press(browser):
    return browser.post(DIAL)["Location"]


def type_it(browser):
    return browser.get(DIAL, headers=TYPED)["Location"]


def by_command(browser):
    with pytest.raises(CommandError, match="do-not-call"):
        call_command("dial", NUMBER, operator="ada", stderr=StringIO())
    return Call.objects.get().uuid


@pytest.mark.parametrize("way", [press, type_it, by_command])
def test_the_same_refused_attempt_is_counted_on_one_row(browser, vendors, way):
    DoNotCall.objects.create(number=NUMBER)

    told = {way(browser) for _ in range(5)}

    call = Call.objects.get()
    assert len(told) == 1
    assert (call.status, call.refused_attempts) == ("refused", 5)
    page = browser.get(call.get_absolute_url()).text
    assert "do-not-call list. This entry counts 5 refused attempts." in page
    assert not vendors.calls


@pytest.mark.django_db(transaction=True)
def test_a_program_is_answered_clearly_each_time(vendors):
    DoNotCall.objects.create(number=NUMBER)
    program = program_of("ada", CALL_AND_READ)

    answers = [dial(program) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {409}
    assert len({answer.json()["call"]["uuid"] for answer in answers}) == 1
    assert all("do-not-call" in answer.json()["detail"] for answer in answers)
    assert Call.objects.get().refused_attempts == 5


def test_a_flood_of_numbers_keeps_the_last_and_counts_the_others(browser):
    pages = [browser.post(f"/dial/{digits}/", follow=True) for digits in ABROAD]

    rows = Call.objects.order_by("created_at")
    kept = [row.other_number.removeprefix("+") for row in rows]
    assert all("are not allowed here" in page.text for page in pages)
    assert kept == ABROAD[-MAX_ROWS:]
    assert sum(row.refused_attempts or 1 for row in rows) == len(ABROAD)
    home = browser.get("/").text
    assert rows.last().number in home


def test_repeating_brings_the_row_to_the_top(browser):
    first, second = ABROAD[:2]
    for digits in (first, second, first):
        browser.post(f"/dial/{digits}/")

    assert [row.other_number for row in Call.objects.all()] == [
        f"+{first}",
        f"+{second}",
    ]


def test_different_refused_attempts_have_separate_rows(
    browser, client, django_user_model
):
    """Another number, reason, operator or hour makes a new row."""
    browser.post(f"/dial/{ABROAD[0]}/")
    browser.post(f"/dial/{ABROAD[1]}/")
    DoNotCall.objects.create(number=f"+{ABROAD[0]}")
    browser.post(f"/dial/{ABROAD[0]}/")
    other = django_user_model.objects.create_superuser("bob")
    browser.force_login(other)
    browser.post(f"/dial/{ABROAD[0]}/")
    Call.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))
    browser.post(f"/dial/{ABROAD[0]}/")

    assert Call.objects.count() == 5
    assert not Call.objects.exclude(refused_attempts=None).exists()


def test_only_refused_attempts_of_this_operator_and_hour_make_room(browser, operator):
    bob = User.objects.create_user("bob")
    other = a_call(status="refused", requested_by=bob)
    made = a_call(status="completed", requested_by=operator, next_check_at=None)
    old = a_call(status="refused", requested_by=operator)
    then = timezone.now() - timedelta(hours=2)
    Call.objects.filter(pk=old.pk).update(created_at=then)

    for digits in ABROAD[: MAX_ROWS + 5]:
        browser.post(f"/dial/{digits}/")

    assert Call.objects.filter(pk__in=[other.pk, made.pk, old.pk]).count() == 3
    assert Call.objects.count() == MAX_ROWS + 3


def test_a_call_that_is_allowed_after_a_refusal_is_a_row_of_its_own(browser, vendors):
    vendors.post(CALLS, json=load("twilio/call"), status=201)
    listed = DoNotCall.objects.create(number=NUMBER)
    press(browser)
    listed.delete()

    press(browser)

    assert sorted(Call.objects.values_list("status", flat=True)) == [
        "queued",
        "refused",
    ]
