"""Admin lists that stay fast with millions of rows.

They never count or sort a whole table, and they show at most COUNTED rows.
Every order and every filter (filters.py) uses an index.
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

# A list counts and shows at most this many rows. To see others, use a filter, a search
# or the reverse order. With 10,000, the last page of some filters took a second.
COUNTED = 1_000


class CappedCount(int):
    """A count that stopped at the limit. Prints as `1,000+`."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class CappedPaginator(Paginator[Any]):
    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        counted = rows.order_by()[: COUNTED + 1].count()
        return counted if counted <= COUNTED else CappedCount(COUNTED)

    def page(self, number: int | str) -> Page[Any]:
        """Return a page. Load its primary keys first, to sort no joined rows."""
        page = super().page(number)
        rows = cast("QuerySet[Any]", self.object_list)
        if self.sorts_newest:
            newest = rows.order_by(*rows.model._meta.ordering, "-pk")[:COUNTED]
            rows = rows.model._default_manager.filter(pk__in=newest.values("pk"))
            rows = rows.order_by(*self.order)
        first = (page.number - 1) * self.per_page
        keys = list(rows[first : first + self.per_page].values_list("pk", flat=True))
        page.object_list = cast("QuerySet[Any]", self.object_list).filter(pk__in=keys)
        return page

    @property
    def is_cut(self) -> bool:
        return isinstance(self.count, CappedCount)

    @property
    def order(self) -> Sequence[Any]:
        return cast("QuerySet[Any]", self.object_list).query.order_by

    @property
    def sorts_newest(self) -> bool:
        """Whether a page sorts only the newest COUNTED of the rows that match a filter.

        This is so if more rows match and the order is not by date. One index finds the
        matching rows, and another index has the order. The database cannot use both
        without reading all matching rows, or all rows in that order until a page is
        full. That takes over a second with a million rows.
        """
        rows = cast("QuerySet[Any]", self.object_list)
        newest = str(rows.model._meta.ordering[0]).lstrip("-")
        by_date = bool(self.order) and str(self.order[0]).lstrip("-") == newest
        return bool(rows.query.where) and not by_date and self.is_cut


class LargeTableList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.get_filters_params()):
            # Equal counts hide admin's link to all rows: the list shows them already.
            self.full_result_count = self.result_count

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Order ties by `pk` in the direction of the first column.

        Admin always orders ties by `-pk`. An index could then serve only one direction.
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
    # Facets would count all rows of each choice.
    show_facets = admin.ShowFacets.NEVER
    # Actions that may get more rows than the list shows.
    unlimited_actions: tuple[str, ...] = ()
    # Text of an empty list: what will be here, and what to do next.
    empty_text = ""
    # URL name of the page for this next step, if there is one.
    empty_link = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LargeTableList

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Refuse actions on more than COUNTED rows, except `unlimited_actions`.

        An action could send requests to vendors and cost money.
        """
        takes_all = request.POST.get("select_across") == "1"
        is_read = request.POST.get("action") in self.unlimited_actions
        if takes_all and not is_read and queryset[: COUNTED + 1].count() > COUNTED:
            messages.error(
                request,
                f"Nothing was done: an action takes up to {COUNTED:,} rows at once. "
                "Narrow the list by a filter or a search.",
            )
            return redirect(request.get_full_path())
        return cast(Any, super()).response_action(request, queryset)
