from typing import cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from caller import phone_numbers
from caller.filters import CallLength, Country, KeywordList, Operator, State
from caller.forms import DoNotCallForm
from caller.models import Call, DoNotCall
from caller.models.call import CallQuerySet
from caller.recordings.admin import HasLength, RecordingAdmin, RecordingInline
from caller.tasks import ask_again
from djtranscribe.adminsite.filters import Dates
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, TolerantChangelist
from djtranscribe.adminsite.search_fields import IdentifierSearch, is_uuid


@admin.register(Call)
class CallAdmin(
    HasLength, IdentifierSearch, LargeTableAdmin, ReadOnly, admin.ModelAdmin[Call]
):
    list_display = [
        "number",
        "status",
        "created_at",
        "length",
        "where",
        "requested_by",
        "error",
    ]
    sortable_by = ["number", "created_at", "length"]
    list_filter = [
        ("created_at", Dates),
        State,
        Operator,
        Country,
        CallLength,
        KeywordList,
    ]
    list_select_related = ["requested_by"]
    search_fields = ["to"]
    search_help_text = RecordingAdmin.search_help_text
    empty_text = "No calls yet. Dial a number on the home page."
    empty_link = "caller:home"
    inlines = [RecordingInline]
    actions = ["ask_twilio"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("number", "national", "where", "status", "error"),
                    *("refused_attempts", "watch"),
                ]
            },
        ),
        (
            "Asked for",
            {
                "fields": [
                    "created_at",
                    "requested_by",
                    "vocabulary",
                    "from_us",
                    "notice",
                ]
            },
        ),
        ("At Twilio", {"fields": ["sid", "answered_at", "ended_at", "length", "cost"]}),
    ]
    readonly_fields = [
        "refused_attempts",
        "number",
        "national",
        "where",
        "watch",
        "from_us",
        "length",
        "cost",
    ]

    def find(self, rows: QuerySet[Call], typed: str) -> QuerySet[Call]:
        if phone_numbers.is_number(typed):
            return cast(CallQuerySet, rows).to_number(typed)
        return rows.filter(uuid=typed) if is_uuid(typed) else rows.filter(sid=typed)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("caller.add_call")

    @admin.action(description="Ask Twilio now", permissions=["ask"])
    def ask_twilio(self, request: HttpRequest, chosen: QuerySet[Call]) -> None:
        for call in chosen:
            ask_again(call)
        messages.success(request, f"Twilio is asked about {chosen.count()} calls.")

    @admin.display(description="number", ordering="to")
    def number(self, call: Call) -> str:
        return call.number

    @admin.display(description="national format")
    def national(self, call: Call) -> str:
        return phone_numbers.national(call.to)

    @admin.display(description="country")
    def where(self, call: Call) -> str:
        return phone_numbers.country_name(call.country_code) or "-"

    @admin.display(description="number shown to them")
    def from_us(self, call: Call) -> str:
        return phone_numbers.for_people(call.from_number)

    @admin.display(description="page")
    def watch(self, call: Call) -> SafeString:
        return format_html(
            '<a href="{}">The call as it goes, with its text</a>',
            call.get_absolute_url(),
        )

    @admin.display(description="cost")
    def cost(self, call: Call) -> str:
        return call.cost or "not known yet"


@admin.register(DoNotCall)
class DoNotCallAdmin(LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[DoNotCall]):
    form = DoNotCallForm
    list_display = ["__str__", "reason", "added_at"]
    search_fields = ["number", "reason"]
    empty_text = (
        "Nobody is on the list yet. Add numbers of people who ask not to be called. "
        "They are never dialled."
    )
