"""Mixins and helpers for admin pages of rows that people read but do not edit."""

import json
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import DatabaseError, IntegrityError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from djtranscribe.digits import is_key

# Try to save a form at most this many times. An attempt fails if somebody else has just
# saved a row with the same unique value.
MAX_SAVE_ATTEMPTS = 3


class TolerantChangelist:
    """Mixin for a ModelAdmin: no error page for hand-made requests or concurrent saves.

    Admin itself returns a 500 for `?status__regex=(`, for a year of thirty digits, and
    for `?_to_field=`.
    """

    def changelist_view(self, request: HttpRequest, *args: Any) -> HttpResponse:
        parent = cast(Any, super())
        # Admin itself redirects like this for an unknown filter.
        plain = HttpResponseRedirect(f"{request.path}?e=1")
        if not all(map(is_key, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            return plain
        try:
            return cast(HttpResponse, parent.changelist_view(request, *args))
        except (DatabaseError, OverflowError, ValueError):
            has_query = bool(request.GET.keys() - {"e"})
            if has_query and not hasattr(request, "has_begun_action"):
                return plain
            raise

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        # `changelist_view` hides errors that a hand-made URL causes. The errors of an
        # action have another cause: this flag makes `changelist_view` raise them.
        cast(Any, request).has_begun_action = True
        return cast(Any, super()).response_action(request, queryset)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Validate again if somebody else has just saved the same unique value.

        The second validation finds the other row and shows the usual form error.
        """
        parent = cast(Any, super())
        for _ in range(MAX_SAVE_ATTEMPTS):
            try:
                return parent.changeform_view(request, *args, **kwargs)
            except IntegrityError:
                # Admin may have queued its success message before the commit failed.
                cast(Any, messages.get_messages(request))._queued_messages.clear()
        messages.error(
            request, "Not saved: somebody else is changing the same row. Try again."
        )
        return HttpResponseRedirect(request.get_full_path())

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        parent = cast(Any, super())
        return parent.get_object(request, object_id, from_field or None)


class ReadOnly(TolerantChangelist):
    """Mixin for a ModelAdmin or an inline: rows cannot be added or changed."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def link(to: Model | None, text: str = "") -> SafeString | str:
    """Link to a row's page in admin."""
    if to is None:
        return "-"
    meta = to._meta
    return format_html(
        '<a href="{}">{}</a>',
        reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[to.pk]),
        text or str(to),
    )


def duration(seconds: float | None) -> str:
    """Format seconds as `1:05`. From one hour on, the format is `2:01:05`."""
    if seconds is None:
        return "-"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def table(value: dict[str, Any] | None) -> SafeString | str:
    """Show a JSON object as a table, without nulls and empty strings."""
    lines = [
        (name, _format_value(each))
        for name, each in (value or {}).items()
        if each not in (None, "")
    ]
    if not lines:
        return "-"
    return format_html(
        '<table class="pairs">{}</table>',
        format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', lines),
    )


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(
        isinstance(each, (dict, list)) for each in value
    ):
        return ", ".join(map(str, value))
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
