"""Sums of calls per day for the last two weeks, and small bar charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, Max, Sum
from django.db.models.functions import Abs, TruncDate
from django.utils import timezone

from caller.models import Call
from djtranscribe.zones import midnight

# The charts show this many days, including today.
DAYS = 14
# Height of a chart and width of a day, in units of the SVG's viewBox.
HEIGHT, STEP = 40, 10


@dataclass(frozen=True)
class Day:
    date: date
    calls: int = 0
    answered: int = 0
    seconds: int = 0
    paid: Decimal = Decimal()
    currency: str = ""

    @property
    def minutes(self) -> int:
        return round(self.seconds / 60)

    @property
    def cost(self) -> Decimal:
        """Sum of the known prices. Twilio sets a price some minutes after the call."""
        return self.paid.quantize(Decimal("0.01"))


@dataclass(frozen=True)
class Bar:
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Plot:
    """A small bar chart.

    most: the highest value, as text. parts: more bars, drawn over `bars` in another
    colour. For example, `bars` are all calls and `parts` are the answered calls.
    """

    name: str
    most: str
    bars: list[Bar]
    parts: list[Bar]

    @property
    def width(self) -> int:
        return STEP * len(self.bars)


def last_days() -> list[Day]:
    """Return a Day for each of the last DAYS days, oldest first. One query.

    Calls that a rule refused do not count.
    """
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    sums = (
        Call.objects.filter(created_at__gte=midnight(first))
        .exclude(status=Call.Status.REFUSED)
        .order_by()
        .values(day=TruncDate("created_at"))
        .annotate(
            made=Count("pk"),
            answers=Count("answered_at"),
            seconds=Sum("duration_seconds"),
            paid=Sum(Abs("price")),
            unit=Max("price_unit"),
            # In a conversation, the operator's phone has a price of its own.
            leg_paid=Sum(Abs("leg__price")),
            leg_unit=Max("leg__price_unit"),
        )
    )
    known = {
        row["day"]: Day(
            row["day"],
            row["made"],
            row["answers"],
            row["seconds"] or 0,
            Decimal(row["paid"] or 0) + Decimal(row["leg_paid"] or 0),
            row["unit"] or row["leg_unit"] or "",
        )
        for row in sums
    }
    dates = [first + timedelta(days=n) for n in range(DAYS)]
    return [known.get(each, Day(each)) for each in dates]


def plots(days: list[Day]) -> list[Plot]:
    """Return the charts of these days. Charts with only zeros are left out."""
    calls = bar_chart(
        "Calls, answered in green",
        [day.calls for day in days],
        [day.answered for day in days],
    )
    minutes = bar_chart("Minutes", [day.minutes for day in days])
    cost = bar_chart("Cost", [day.cost for day in days])
    return [plot for plot in (calls, minutes, cost) if plot.most not in ("0", "0.00")]


def bar_chart(
    name: str, values: Sequence[int | Decimal], parts: Sequence[int] = ()
) -> Plot:
    most = max(values)
    return Plot(name, f"{most:,}", _bars(values, most), _bars(parts, most))


def _bars(values: Sequence[int | Decimal], most: int | Decimal) -> list[Bar]:
    heights = [round(HEIGHT * float(value) / float(most or 1), 1) for value in values]
    return [
        Bar(STEP * n + 1, round(HEIGHT - height, 1), height)
        for n, height in enumerate(heights)
    ]
