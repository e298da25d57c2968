from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from djtranscribe.list_filters import Dates, Stored
from djtranscribe.long_lists import LongList, LongLists
from djtranscribe.models import Access
from djtranscribe.read_only_admin import ReadOnly, link

# What was heard or read, by the name in its row; where its call is; what is needed to
# name it. In words, since this app imports nothing of the others.
HEARD_OR_READ = {
    "recording": ("caller.Recording", "call", "call__to", "source"),
    "transcript": (
        "transcription.Transcript",
        "recording__call",
        "recording__call__to",
        "recording__source",
    ),
}


class Reader(Stored):
    title = "person"
    parameter_name = "person"
    column = Access.user.field
    path = "user"


class AccessList(LongList):
    """What was heard or read is looked up for the whole page: two queries more."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for what, (label, call, *needed) in HEARD_OR_READ.items():
            mine = [access for access in self.result_list if access.what == what]
            model: Any = apps.get_model(label)
            rows = model._default_manager.select_related(call).only(*needed)
            found = rows.in_bulk([access.row for access in mine])
            for access in mine:
                access.found = found.get(access.row)


@admin.register(Access)
class AccessAdmin(LongLists, ReadOnly, admin.ModelAdmin[Access]):
    list_display = ["__str__", "heard_or_read", "at"]
    sortable_by = ["at"]
    list_filter = [("at", Dates), "action", Reader]
    list_select_related = ["user"]
    when_empty = "Nobody has listened to a recording or read a transcript yet."
    fields = ["user", "action", "heard_or_read", "at"]
    readonly_fields = ["heard_or_read"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LongList]:
        return AccessList

    @admin.display(description="what")
    def heard_or_read(self, access: Access) -> SafeString | str:
        # Looked up already for a list.
        if hasattr(access, "found"):
            found = access.found
        elif access.what in HEARD_OR_READ:
            model: Any = apps.get_model(HEARD_OR_READ[access.what][0])
            found = model._default_manager.filter(pk=access.row).first()
        else:
            found = None
        if found is None:
            return f"{access.what.capitalize()} {access.row}, which is deleted"
        return link(found)
