from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from caller import phone_numbers
from caller.contacts.models import number_begins
from caller.forms import NumberField
from caller.models import Contact, ContactNumber, Tag
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import TolerantChangelist
from djtranscribe.adminsite.search_fields import IdentifierSearch

# {field: permission that a user needs to change the field}. For example, a short
# `retain_audio_days` deletes recordings.
PROTECTED_FIELDS = {
    "do_not_call": "caller.change_donotcall",
    "retain_audio_days": "caller.delete_recording",
    "retain_text_days": "transcription.delete_transcript",
}


def protected_fields(request: HttpRequest) -> list[str]:
    """Return the PROTECTED_FIELDS that this user may not change."""
    needed = PROTECTED_FIELDS.items()
    return [field for field, may in needed if not request.user.has_perm(may)]


def is_protected(contact: Contact | None, request: HttpRequest) -> bool:
    """Return whether this user may not change or delete the contact's numbers.

    True if one of the `protected_fields` is set. For example, a user who may not untick
    `do_not_call` must not remove the number: then we could call the number again.
    """
    values = [getattr(contact, field, None) for field in protected_fields(request)]
    # A period of 0 counts, because it means "keep forever".
    return any(value is not None and value is not False for value in values)


class NumberForm(forms.ModelForm[ContactNumber]):
    number = NumberField()

    class Meta:
        model = ContactNumber
        fields = ["number", "label"]


class NumberInline(admin.StackedInline[ContactNumber, Contact]):
    model = ContactNumber
    form = NumberForm
    fields = [("number", "label")]
    extra = 1
    verbose_name_plural = "numbers"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and not is_protected(obj, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and not is_protected(obj, request)


@admin.register(Contact)
class ContactAdmin(
    IdentifierSearch, LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[Contact]
):
    list_display = ["name", "numbers_of", "do_not_call", "vocabulary"]
    list_select_related = ["vocabulary"]
    sortable_by = ["name"]
    search_fields = ["name"]
    search_help_text = "The start of a name or number."
    # Otherwise the inherited retention periods come first.
    fields = [
        "name",
        "do_not_call",
        "vocabulary",
        "retain_audio_days",
        "retain_text_days",
    ]
    inlines = [NumberInline]
    empty_text = (
        "No contacts yet. Add one here, name a number on its page, or import a CSV "
        "file. All calls with the number then show the name."
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return protected_fields(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and not is_protected(obj, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        return super().get_queryset(request).prefetch_related("numbers")

    def find(self, rows: QuerySet[Contact], typed: str) -> QuerySet[Contact]:
        wanted = Q(name__istartswith=typed)
        if phone_numbers.is_number(typed):
            wanted |= number_begins("numbers__number", typed)
        return rows.filter(wanted).distinct()

    @admin.display(description="numbers")
    def numbers_of(self, contact: Contact) -> str:
        return ", ".join(map(str, contact.numbers.all())) or "-"


@admin.register(Tag)
class TagAdmin(LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[Tag]):
    list_display = ["name"]
    search_fields = ["name"]
    search_help_text = "Any part of a tag."
    empty_text = "No tags yet. Add one on a call’s page."


def with_name(row: Any, number: str) -> SafeString:
    """Return `name, number` as HTML, or only the number if `row` has no contact_name.

    A line may break in the name, but not in the number.
    """
    name: str | None = getattr(row, "contact_name", None)
    number = format_html('<span class="nowrap">{}</span>', number)
    return format_html("{}, {}", name, number) if name else number
