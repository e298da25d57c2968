"""Costs of calls: Twilio's prices, and AssemblyAI's prices for audio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Abs, Coalesce, TruncDate
from django.utils import timezone

from caller.models import Call, Recording
from caller.models.call_queries import ESTIMATE
from djtranscribe.zones import midnight

# The month's costs before today are cached for this long.
CACHE_SECONDS = 600
# Warn when this fraction of the monthly budget is spent. 1 means the whole budget.
WARN_AT = Decimal("0.8")
# Twilio was founded in 2008, so no call is from an earlier year.
FIRST_YEAR = 2008

Key = TypeVar("Key")


@dataclass(frozen=True)
class Costs:
    """A number of calls, and what Twilio and AssemblyAI charge for them."""

    calls: int = 0
    twilio: Decimal = Decimal()
    assemblyai: Decimal = Decimal()

    @property
    def total(self) -> Decimal:
        return self.twilio + self.assemblyai

    def __add__(self, other: Costs) -> Costs:
        return Costs(
            self.calls + other.calls,
            self.twilio + other.twilio,
            self.assemblyai + other.assemblyai,
        )


@dataclass(frozen=True)
class Line:
    """The costs of all calls with the same day, operator and keyword list."""

    day: date
    operator: str | None
    keyword_list: str
    costs: Costs


def first_of_month(day: date) -> date:
    return day.replace(day=1)


def next_month(day: date) -> date:
    return first_of_month(first_of_month(day) + timedelta(days=31))


def lines_of_month(first: date) -> list[Line]:
    """Sum up the costs of a month by day, operator and keyword list. Makes one query.

    A missing price counts as 0. Calls with the status REFUSED are left out.
    first: the first day of the month, in the current time zone.
    """
    recordings = Recording.objects.filter(call=OuterRef("pk")).order_by()
    transcription = recordings.values("call").annotate(sum=Sum("transcription_cost"))
    # Get the Transcript model this way: `caller` must not import `transcription`.
    model: Any = Recording._meta.get_field("transcripts").related_model
    used = model._default_manager.filter(recording__call=OuterRef("pk"))
    newest_list = used.order_by("-pk").values("vocabulary__name")[:1]
    calls = Call.objects.filter(
        created_at__gte=midnight(first), created_at__lt=midnight(next_month(first))
    ).exclude(status=Call.Status.REFUSED)
    sums = (
        calls.alias(transcription_cost=Subquery(transcription.values("sum")))
        .order_by()
        .values(
            day=TruncDate("created_at"),
            operator=F("requested_by__username"),
            # If the newest transcript has no list, use the call's list.
            keyword_list=Coalesce(
                Subquery(newest_list), F("vocabulary__name"), Value("")
            ),
        )
        .annotate(
            calls=Count("pk"),
            prices=Sum(Abs("price")),
            leg_prices=Sum(Abs("leg__price")),
            transcription=Sum("transcription_cost"),
        )
    )
    return [
        Line(
            row["day"],
            row["operator"],
            row["keyword_list"],
            Costs(
                row["calls"],
                Decimal(row["prices"] or 0) + Decimal(row["leg_prices"] or 0),
                Decimal(row["transcription"] or 0),
            ),
        )
        for row in sums
    ]


def sum_by(lines: list[Line], key: Callable[[Line], Key]) -> dict[Key, Costs]:
    """Sum up the costs of the lines that have the same key."""
    sums: dict[Key, Costs] = defaultdict(Costs)
    for line in lines:
        sums[key(line)] += line.costs
    return sums


def by_day(lines: list[Line], first: date) -> list[tuple[date, Costs]]:
    """Return the costs of each day of the month, oldest first, up to today."""
    known = sum_by(lines, lambda line: line.day)
    end = min(next_month(first), timezone.localdate() + timedelta(days=1))
    days = [first + timedelta(days=n) for n in range((end - first).days)]
    return [(day, known.get(day, Costs())) for day in days]


def by_operator(lines: list[Line]) -> list[tuple[str | None, Costs]]:
    return highest_first(sum_by(lines, lambda line: line.operator))


def by_keyword_list(lines: list[Line]) -> list[tuple[str, Costs]]:
    return highest_first(sum_by(lines, lambda line: line.keyword_list))


def highest_first(sums: dict[Key, Costs]) -> list[tuple[Key, Costs]]:
    return sorted(sums.items(), key=lambda item: item[1].total, reverse=True)


def costs_without_call(first: date) -> Decimal:
    """Return the month's transcription costs of recordings that belong to no call."""
    rows = Recording.objects.filter(
        call=None,
        created_at__gte=midnight(first),
        created_at__lt=midnight(next_month(first)),
    )
    return rows.aggregate(sum=Sum("transcription_cost"))["sum"] or Decimal()


def models_without_rate(currency: str) -> list[str]:
    """Return the speech models in use that have no price in Twilio's currency.

    AssemblyAI's list prices are in dollars. For another currency, SPEECH_RATES must
    have the prices.
    """
    if currency == "USD":
        return []
    return [
        name for name in settings.SPEECH_MODELS if name not in settings.SPEECH_RATES
    ]


def spent_this_month() -> Decimal:
    """Return the costs since the first day of the month, in the site's time zone.

    ESTIMATE replaces a missing price, see CallQuerySet.cost. The sum of the days before
    today comes from a cache.
    """
    zone = timezone.get_default_timezone()
    today = timezone.localtime(timezone=zone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    first = today.replace(day=1)
    before = Decimal()
    if first < today:
        key = f"spent-before-{today:%Y-%m-%d}"
        known = cache.get_or_set(
            key, lambda: costs_between(first, today), CACHE_SECONDS
        )
        before = known or Decimal()
    return before + costs_between(today, timezone.now() + timedelta(days=1))


def costs_between(start: datetime, end: datetime) -> Decimal:
    """Return the costs of calls and recordings created from `start` until before `end`.

    ESTIMATE replaces a missing price, see CallQuerySet.cost.
    """
    when = Q(created_at__gte=start, created_at__lt=end)
    calls = Call.objects.filter(when)
    recordings = Recording.objects.filter(when)
    transcription = recordings.aggregate(sum=Sum("transcription_cost"))["sum"]
    return calls.cost(ESTIMATE) + (transcription or Decimal())


def exceeds_budget(spent: Decimal) -> bool:
    """Return whether `spent` and one more ESTIMATE exceed MAX_SPEND_PER_MONTH.

    Use this only if there is a budget: MAX_SPEND_PER_MONTH = 0 means no budget.
    """
    return spent + ESTIMATE > settings.MAX_SPEND_PER_MONTH


def budget_warning() -> str:
    """Return a warning if the monthly budget is spent or almost spent, else ""."""
    budget = settings.MAX_SPEND_PER_MONTH
    if not budget:
        return ""
    spent = spent_this_month()
    if exceeds_budget(spent):
        return (
            f"This month's budget is spent: {spent:.2f} of {budget} "
            f"{Call.objects.currency()}. No more calls are placed until next month. An "
            "administrator can raise MAX_SPEND_PER_MONTH."
        )
    if spent >= budget * WARN_AT:
        return (
            f"{spent / budget:.0%} of this month's budget is spent ({spent:.2f} of "
            f"{budget} {Call.objects.currency()}). When all of it is spent, no more "
            "calls are placed until next month."
        )
    return ""
