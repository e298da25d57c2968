from typing import cast

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from caller import number_facts, phone_numbers
from caller.contacts.admin import ContactAdmin, TagAdmin, with_name
from caller.contacts.models import number_begins
from caller.filters import (
    CallLengthFilter,
    CallStateFilter,
    CountryFilter,
    DirectionFilter,
    KeywordListFilter,
    OperatorFilter,
    TagFilter,
)
from caller.forms import DoNotCallForm
from caller.models import Call, Contact, DoNotCall
from caller.models.call_queries import CallQuerySet
from caller.recordings.admin import HasLength, RecordingAdmin, RecordingInline
from caller.tasks import enqueue_check
from caller.twilio.states import CALL_SID
from djtranscribe.adminsite.filters import DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, TolerantChangelist
from djtranscribe.adminsite.search_fields import IdentifierSearch, is_uuid

__all__ = ["CallAdmin", "ContactAdmin", "DoNotCallAdmin", "RecordingAdmin", "TagAdmin"]


@admin.register(Call)
class CallAdmin(
    HasLength, IdentifierSearch, LargeTableAdmin, ReadOnly, admin.ModelAdmin[Call]
):
    list_display = [
        "number",
        "state",
        "created_at",
        "length",
        "country_name",
        "requested_by",
        "error",
    ]
    sortable_by = ["number", "created_at", "length"]
    list_filter = [
        ("created_at", DateRangeFilter),
        CallStateFilter,
        DirectionFilter,
        OperatorFilter,
        CountryFilter,
        CallLengthFilter,
        KeywordListFilter,
        TagFilter,
    ]
    list_select_related = ["requested_by"]
    search_fields = ["other_number"]
    search_help_text = (
        "The first digits of a number, its last four (or more) digits, the start of a "
        "contact’s name, a SID or a UUID."
    )
    empty_text = "No calls yet. Dial a number on the home page."
    empty_link = "caller:home"
    inlines = [RecordingInline]
    actions = ["ask_twilio"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("number", "direction", "kind", "national_format", "country_name"),
                    *("status", "error"),
                    *("refused_attempts", "page_link"),
                ]
            },
        ),
        (
            "Requested",
            {
                "fields": [
                    "created_at",
                    "requested_by",
                    "vocabulary",
                    "caller_id",
                    "notice",
                ]
            },
        ),
        ("At Twilio", {"fields": ["sid", "answered_at", "ended_at", "length", "cost"]}),
    ]
    readonly_fields = [
        "refused_attempts",
        "number",
        "national_format",
        "country_name",
        "page_link",
        "caller_id",
        "length",
        "cost",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        return cast(CallQuerySet, super().get_queryset(request)).with_contact_name()

    def find(self, rows: QuerySet[Call], typed: str) -> QuerySet[Call]:
        if phone_numbers.is_number(typed):
            return cast(CallQuerySet, rows).to_number(typed)
        if is_uuid(typed):
            return rows.filter(uuid=typed)
        if CALL_SID.fullmatch(typed):
            return rows.filter(sid=typed)
        contacts = Contact.objects.filter(name__istartswith=typed)
        return rows.filter(other_number__in=contacts.some_numbers())

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("caller.add_call")

    @admin.action(description="Ask Twilio now", permissions=["ask"])
    def ask_twilio(self, request: HttpRequest, chosen: QuerySet[Call]) -> None:
        for call in chosen:
            enqueue_check(call)
        count = chosen.count()
        messages.success(
            request,
            f"Asking Twilio about {count} call{pluralize(count)}. Reload this page in "
            "a few seconds.",
        )

    @admin.display(description="number", ordering="other_number")
    def number(self, call: Call) -> SafeString:
        arrow = "↙" if call.is_inbound else "↗"
        return format_html("{}&nbsp;{}", arrow, with_name(call, call.number))

    @admin.display(description="status")
    def state(self, call: Call) -> str:
        status = str(call.get_status_display())
        return f"{status} (voicemail)" if call.is_voicemail else status

    @admin.display(description="national format")
    def national_format(self, call: Call) -> str:
        return number_facts.format_national(call.other_number)

    @admin.display(description="country")
    def country_name(self, call: Call) -> str:
        return number_facts.country_name(call.country_code) or "-"

    @admin.display(description="our number")
    def caller_id(self, call: Call) -> str:
        return number_facts.format_international(call.our_number)

    @admin.display(description="page")
    def page_link(self, call: Call) -> SafeString:
        url = call.get_absolute_url()
        return format_html('<a href="{}">Open the call’s page</a>', url)

    @admin.display(description="cost")
    def cost(self, call: Call) -> str:
        is_free = all(phone.status in Call.FREE for phone in call.phones)
        return call.cost or ("no price" if is_free else "not known yet")


@admin.register(DoNotCall)
class DoNotCallAdmin(
    IdentifierSearch, LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[DoNotCall]
):
    form = DoNotCallForm
    list_display = ["__str__", "reason", "added_at"]
    search_fields = ["number", "reason"]
    search_help_text = "Digits of a number, or words of the reason."
    empty_text = (
        "No numbers yet. Add the numbers of people who asked not to be called. This "
        "site then never calls them."
    )

    def find(self, rows: QuerySet[DoNotCall], typed: str) -> QuerySet[DoNotCall]:
        wanted = Q(*(("reason__icontains", word) for word in typed.split()))
        if phone_numbers.is_number(typed):
            digits = phone_numbers.without_separators(typed)
            wanted |= Q(number__contains=digits) | number_begins("number", typed)
        return rows.filter(wanted)
