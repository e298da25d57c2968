from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from djtranscribe.long_lists import LongLists
from djtranscribe.models import ApiToken
from djtranscribe.read_only_admin import OddRequests


@admin.register(ApiToken)
class ApiTokenAdmin(LongLists, OddRequests, admin.ModelAdmin[ApiToken]):
    """No group has the permissions: superusers hand out tokens.

    Who is given them nevertheless makes, sees and revokes tokens of his own account
    alone: one of another account would lend him what that account may.
    """

    list_display = [
        "name",
        "user",
        "prefix",
        "is_good",
        "created_at",
        "last_used_at",
        "revoked_at",
    ]
    list_select_related = ["user"]
    sortable_by = ["created_at"]
    when_empty = (
        "No tokens yet. Add one for a program that reads calls or dials; what the API "
        "can do stands at /api/."
    )
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("djtranscribe.change_apitoken")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        return super().get_queryset(request).filter(user__in=users_for(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.list_display if obj else ["user", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.list_display if obj else []

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Whatever button makes it, the next page is the one with the secret.
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        users = users_for(request).filter(is_active=True).order_by("username")
        options = {"queryset": users, "initial": request.user.pk, **kwargs}
        return super().formfield_for_foreignkey(db_field, request, **options)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        # Accounts are made in their own table.
        field.widget.can_add_related = field.widget.can_change_related = False
        field.widget.can_view_related = field.widget.can_delete_related = False
        return field

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: Any, change: bool
    ) -> None:
        if not change:
            request.new_secret = obj.new_secret()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiToken, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The one page that shows the secret, made at once: on the way through a
        redirect it would have to wait in a cookie or in the database."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API token",
            "opts": self.opts,
            "token": obj,
            "secret": request.new_secret,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/djtranscribe/new_token.html", context)

    @admin.display(description="good", boolean=True)
    def is_good(self, token: ApiToken) -> bool:
        return not token.objection

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        revoked = chosen.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(
            request, f"{revoked} revoked: what uses them is refused from now on."
        )


def users_for(request: HttpRequest) -> QuerySet[User]:
    user = cast(User, request.user)
    return User.objects.all() if user.is_superuser else User.objects.filter(pk=user.pk)
