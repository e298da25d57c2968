"""Admin lists that stay fast with millions of rows.

The lists never count or sort a whole table, and they show at most MAX_COUNT rows.
Every order and every filter of filters.py uses an index.
"""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.db.models.expressions import Combinable, OrderBy
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.functional import cached_property

# A list counts and shows at most this many rows. To see other rows, use a filter, a
# search or the reverse order. With 10,000 rows, the last page of some lists took 1 s.
MAX_COUNT = 1_000


class CappedCount(int):
    """A count that stopped at MAX_COUNT. It is shown as `1,000+`."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class CappedPaginator(Paginator[Any]):
    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        counted = rows.order_by()[: MAX_COUNT + 1].count()
        return counted if counted <= MAX_COUNT else CappedCount(MAX_COUNT)

    def page(self, number: int | str) -> Page[Any]:
        """Return a page: first find its keys without joins, then load its rows."""
        page = super().page(number)
        rows = cast("QuerySet[Any]", self.object_list)
        if self.sorts_only_newest:
            newest = rows.order_by(*rows.model._meta.ordering, "-pk")[:MAX_COUNT]
            rows = rows.model._default_manager.filter(pk__in=newest.values("pk"))
            rows = rows.order_by(*self.order)
        first = (page.number - 1) * self.per_page
        keys = list(rows[first : first + self.per_page].values_list("pk", flat=True))
        page.object_list = cast("QuerySet[Any]", self.object_list).filter(pk__in=keys)
        return page

    @property
    def is_capped(self) -> bool:
        return isinstance(self.count, CappedCount)

    @property
    def order(self) -> Sequence[Any]:
        return cast("QuerySet[Any]", self.object_list).query.order_by

    @property
    def sorts_only_newest(self) -> bool:
        """Whether a page sorts only the newest MAX_COUNT of the matching rows.

        True if more than MAX_COUNT rows match a filter and the order is not by date. No
        index serves both the filter and the order. So sorting a million matching rows
        would take over a second.
        """
        rows = cast("QuerySet[Any]", self.object_list)
        newest = str(rows.model._meta.ordering[0]).lstrip("-")
        by_date = bool(self.order) and str(self.order[0]).lstrip("-") == newest
        return bool(rows.query.where) and not by_date and self.is_capped


class LargeTableList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.get_filters_params()):
            # This list already shows all rows, so hide admin's link "Show all". Admin
            # hides the link if these two counts are equal.
            self.full_result_count = self.result_count

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Replace admin's order `name, -pk` by `name, pk`, which an index can serve.

        The order `-name, -pk` stays: the same index serves it.
        """
        first, *others = super().get_ordering(request, queryset)
        if others and others[-1] == "-pk" and not is_descending(first):
            others[-1] = "pk"
        return [first, *others]


def is_descending(order: str | Combinable) -> bool:
    if isinstance(order, OrderBy):
        return order.descending
    return isinstance(order, str) and order.startswith("-")


class LargeTableAdmin:
    """ModelAdmin mixin for large tables. `sortable_by` must name indexed columns."""

    paginator: Any = CappedPaginator
    list_per_page = 50
    show_full_result_count = False
    # Do not show a count beside each choice of a filter: counting takes too long.
    show_facets = admin.ShowFacets.NEVER
    # Names of actions that people may use on more than MAX_COUNT rows.
    unlimited_actions: tuple[str, ...] = ()
    # An empty list shows this text: what the list will contain, and what to do next.
    empty_text = ""
    # URL name of the home page, if an empty list should link to it.
    empty_link = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LargeTableList

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Refuse actions on more than MAX_COUNT rows, except `unlimited_actions`.

        An action could send requests to vendors and cost money.
        """
        takes_all = request.POST.get("select_across") == "1"
        is_unlimited = request.POST.get("action") in self.unlimited_actions
        if (
            takes_all
            and not is_unlimited
            and queryset[: MAX_COUNT + 1].count() > MAX_COUNT
        ):
            messages.error(
                request,
                f"Nothing was done: an action takes up to {MAX_COUNT:,} rows at once. "
                "Narrow the list with a filter or a search.",
            )
            return redirect(request.get_full_path())
        return cast(Any, super()).response_action(request, queryset)
