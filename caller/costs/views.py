from datetime import date, datetime, timedelta

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from caller.costs import sums
from caller.days import bar_chart
from caller.models import Call


@require_safe
@permission_required("caller.view_costs", raise_exception=True)
def costs_page(request: HttpRequest) -> HttpResponse:
    """Show the costs of a month by day, operator and keyword list."""
    this_month = sums.first_of_month(timezone.localdate())
    first = min(month_in(request.GET.get("month", "")) or this_month, this_month)
    lines = sums.lines_of_month(first)
    days = sums.by_day(lines, first)
    without_call = sums.costs_without_call(first)
    currency = Call.objects.currency()
    total = sum((costs for _, costs in days), sums.Costs())
    groups = [
        ("Operator", "No operator", sums.by_operator(lines)),
        ("Keyword list", "No keyword list", sums.by_keyword_list(lines)),
    ]
    context = {
        "first": first,
        "previous": sums.first_of_month(first - timedelta(days=1)),
        "next": sums.next_month(first) if first < this_month else None,
        "days": days,
        "chart": bar_chart("Cost", [round(costs.total, 2) for _, costs in days]),
        "groups": groups,
        "without_call": without_call,
        "total": total.total + without_call,
        "calls": total.calls,
        "currency": currency,
        "without_rate": sums.models_without_rate(currency),
        "budget": settings.MAX_SPEND_PER_MONTH if first == this_month else None,
        "warning": sums.budget_warning() if first == this_month else "",
    }
    return render(request, "caller/costs.html", context)


def month_in(typed: str) -> date | None:
    """Return the first day of a month such as `2026-11`.

    Return None for any other text and for years before FIRST_YEAR.
    """
    try:
        first = datetime.strptime(typed, "%Y-%m").date()
    except ValueError:
        return None
    return first if first.year >= sums.FIRST_YEAR else None
