"""The costs of calls by day, operator and keyword list, and the monthly budget."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured

from caller.models import Call, Leg, Recording
from djtranscribe.settings import rates
from tests.caller.rows import CALLS, DIAL, a_call
from tests.data import load
from tests.transcription.rows import a_transcript, advanced, answers_well
from transcription.assemblyai import speech_models
from transcription.models import Transcript, Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def nothing_cached():
    cache.clear()


@pytest.fixture
def it_is(monkeypatch):
    return lambda now: monkeypatch.setattr("django.utils.timezone.now", lambda: now)


@pytest.fixture
def noon(it_is):
    it_is(NOON)


@pytest.fixture
def supervisor(browser, operator):
    operator.user_permissions.add(Permission.objects.get(codename="view_costs"))
    return browser


def priced(price, at=NOON, transcription=None, keywords=None, **columns):
    """Create a call with this price. transcription: the cost of its transcript."""
    call = a_call(
        status="completed", price=price, price_unit="USD", created_at=at, **columns
    )
    if transcription:
        recording = Recording.objects.create(
            call=call, status="completed", transcription_cost=Decimal(transcription)
        )
        Transcript.objects.create(
            recording=recording, status="completed", vocabulary=keywords
        )
        Recording.objects.filter(pk=recording.pk).update(created_at=at)
    return call


def test_the_page_sums_up_both_vendors(noon, supervisor, operator):
    bob = User.objects.create_user("bob")
    heart = Vocabulary.objects.create(name="Cardiology")
    priced("-0.50", transcription="0.25", keywords=heart, requested_by=operator)
    call = priced("-1.00", at=NOON - timedelta(days=1), requested_by=bob)
    Leg.objects.create(call=call, number="+14155550111", price="-2.00")
    priced("-40", at=NOON - timedelta(days=30))
    a_call(status="refused", created_at=NOON)
    imported = Recording.objects.create(
        status="completed", transcription_cost=Decimal("0.05")
    )

    page = supervisor.get("/costs/").text

    rows = [" ".join(row.split()) for row in cells_of(page)]
    assert "bob 1 3.00 0.00 3.00" in rows
    assert "ada 1 0.50 0.25 0.75" in rows
    assert "Cardiology 1 0.50 0.25 0.75" in rows
    assert "No keyword list 1 3.00 0.00 3.00" in rows
    assert "Fri 27 Nov 1 3.00 0.00 3.00" in rows
    assert "Sat 28 Nov 1 0.50 0.25 0.75" in rows
    assert "3.80 USD" in page
    assert imported.transcription_cost_text == "0.05 USD"
    october = supervisor.get("/costs/?month=2026-10").text
    assert "40.00 USD" in october
    for typed in ("2026-13", "x", "9999-12", "0001-01", "2031-01"):
        assert "Costs in November 2026" in supervisor.get(f"/costs/?month={typed}").text


def cells_of(page):
    for row in page.split("<tr>")[1:]:
        text = row.split("</tr>")[0].replace("</th>", " ").replace("</td>", " ")
        yield text.replace('<th scope="row">', "").replace("<td>", "")


def test_an_empty_month_says_so(noon, supervisor):
    assert "There were no calls in November 2026." in supervisor.get("/costs/").text


@pytest.mark.parametrize(
    ("currency", "rates", "missing"),
    [
        ("USD", {}, None),
        ("EUR", {}, "for universal-2, other"),
        ("EUR", {"universal-2": Decimal("0.14")}, "for other"),
        ("EUR", {"universal-2": Decimal("0.14"), "other": Decimal(1)}, None),
    ],
)
def test_the_page_warns_if_it_adds_dollars_to_another_currency(
    supervisor, settings, currency, rates, missing
):
    settings.SPEECH_MODELS, settings.SPEECH_RATES = ["universal-2", "other"], rates
    a_call(status="completed", price="-0.50", price_unit=currency)

    page = supervisor.get("/costs/").text

    assert ("mix dollars and EUR" in page) == bool(missing)
    assert (missing or "Total") in page


@pytest.mark.parametrize(
    ("rated", "currency"),
    [([], "USD"), (["universal-2"], "(USD or EUR)"), (["universal-2", "other"], "EUR")],
)
@pytest.mark.parametrize("has_call", [False, True])
def test_cost_of_transcription_has_the_currency_of_its_rate(
    settings, has_call, rated, currency
):
    settings.SPEECH_MODELS = ["universal-2", "other"]
    settings.SPEECH_RATES = dict.fromkeys(rated, Decimal(1))
    a_call(status="completed", price="-0.50", price_unit="EUR")
    call = a_call(status="completed") if has_call else None

    recording = Recording(call=call, transcription_cost=Decimal("0.05"))

    assert recording.transcription_cost_text == f"0.05 {currency}"


def test_a_job_that_succeeds_is_paid_for_by_its_seconds(vendors, settings, browser):
    settings.SPEECH_RATES = {"universal-2": Decimal("0.36")}
    answers = answers_well(vendors)
    job = load("assemblyai/completed", speech_model_used="universal-2")
    vendors.replace("GET", answers["fetch"].url, json={**job, "audio_duration": 100})
    transcript = a_transcript("processing", recording=None, assemblyai_id=job["id"])
    call = a_call(status="completed")
    Recording.objects.update(call=call)

    advanced(transcript)

    assert Recording.objects.get().transcription_cost == Decimal("0.01")
    assert "0.01 USD" in browser.get(call.get_absolute_url()).text


def test_a_job_that_failed_because_nobody_spoke_is_free(vendors):
    answers = answers_well(vendors)
    job = load("assemblyai/completed", status="error")
    job["error"] = (
        "language_detection cannot be performed on files with no spoken audio."
    )
    vendors.replace("GET", answers["fetch"].url, json=job)

    done = advanced(a_transcript("processing", assemblyai_id=job["id"]))

    assert done.status == "completed"
    assert Recording.objects.get().transcription_cost is None


def test_model_without_known_price_costs_the_highest_price(settings):
    dearest = speech_models.cost("universal-3-5-pro", 3600)

    assert speech_models.cost("a-new-one", 3600) == dearest == Decimal("0.21")
    assert speech_models.cost("universal-2", 3600) == Decimal("0.15")
    assert speech_models.cost("universal-2", None) == 0


def test_rates_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("RATES", "universal-2=0.15, other = 1")
    assert rates("RATES") == {"universal-2": Decimal("0.15"), "other": Decimal(1)}
    for wrong in ("universal-2", "universal-2=free", "=", "a=-1"):
        monkeypatch.setenv("RATES", wrong)
        with pytest.raises(ImproperlyConfigured, match=r"universal-2=0\.15"):
            rates("RATES")


@pytest.mark.parametrize(
    ("budget", "warning", "is_called"),
    [
        ("0", "", True),
        ("100", "", True),
        ("12", "85% of this month&#x27;s budget is spent (10.25 of 12 USD).", True),
        ("10.30", "This month&#x27;s budget is spent: 10.25 of 10.30 USD.", False),
    ],
)
def test_the_budget_warns_and_then_nobody_is_called(
    noon, browser, settings, vendors, budget, warning, is_called
):
    settings.MAX_SPEND_PER_MONTH = Decimal(budget)
    placed = vendors.post(CALLS, json=load("twilio/call"))
    priced("-8", at=NOON - timedelta(days=20), transcription="2")
    priced("-0.25", other_number="+14155550002")
    # This call was last month, so it must not count.
    priced("-100", at=NOON - timedelta(days=29), other_number="+14155550003")

    home = browser.get("/").text
    browser.post(DIAL)

    assert warning in home
    assert bool(placed.call_count) == is_called
    if not is_called:
        assert "MAX_SPEND_PER_MONTH" in Call.objects.latest("pk").error


def test_the_month_begins_at_midnight_of_the_site(browser, settings, it_is):
    it_is(datetime(2026, 11, 1, 3, tzinfo=timezone.utc))
    settings.TIME_ZONE = "America/New_York"
    settings.MAX_SPEND_PER_MONTH = Decimal(1)
    priced("-5", at=datetime(2026, 10, 31, 5, tzinfo=timezone.utc))

    # In New York it is still October, so the call of 31 October counts.
    assert "This month&#x27;s budget is spent: 5.00" in browser.get("/").text
