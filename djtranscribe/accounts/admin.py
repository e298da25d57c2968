"""Admin of accounts, groups, API tokens, profiles and the access log."""

from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import admin as django_admin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from djtranscribe.accounts.forms import ProfileForm
from djtranscribe.adminsite.filters import ColumnValueFilter, DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin, LargeTableList
from djtranscribe.adminsite.read_only import ReadOnly, TolerantChangelist, link
from djtranscribe.models import Access, ApiToken, Profile, Session

if settings.TWO_FACTOR != "off":
    # Imported only here, because allauth is an optional requirement.
    from allauth.mfa.models import Authenticator

# For each value of Access.what: (model, lookup path to the call, columns to load...).
# The models are strings, because this app must not import other apps.
HEARD_OR_READ = {
    "recording": (
        *("caller.Recording", "call", "call__other_number", "call__direction"),
        "source",
    ),
    "transcript": (
        "transcription.Transcript",
        "recording__call",
        "recording__call__other_number",
        "recording__call__direction",
        "recording__source",
    ),
}


class UserFilter(ColumnValueFilter):
    title = "user"
    parameter_name = "person"
    column = Access.user.field
    path = "user"


class AccessList(LargeTableList):
    """Load all recordings of a page with one query, and all transcripts with another.

    Otherwise `AccessAdmin.heard_or_read` would make a query for each row.
    """

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
class AccessAdmin(LargeTableAdmin, ReadOnly, admin.ModelAdmin[Access]):
    list_display = ["__str__", "heard_or_read", "at"]
    sortable_by = ["at"]
    list_filter = [("at", DateRangeFilter), "action", UserFilter]
    list_select_related = ["user"]
    empty_text = "Nobody has listened to a recording or read a transcript yet."
    fields = ["user", "action", "heard_or_read", "at"]
    readonly_fields = ["heard_or_read"]

    def get_changelist(
        self, request: HttpRequest, **kwargs: Any
    ) -> type[LargeTableList]:
        return AccessList

    @admin.display(description="what")
    def heard_or_read(self, access: Access) -> SafeString | str:
        # In a list, AccessList has already loaded the recording or transcript.
        if hasattr(access, "found"):
            found = access.found
        elif access.what in HEARD_OR_READ:
            model: Any = apps.get_model(HEARD_OR_READ[access.what][0])
            found = model._default_manager.filter(pk=access.row).first()
        else:
            found = None
        if found is None:
            return f"{access.what.capitalize()} {access.row} (deleted)"
        return link(found)


admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(TolerantChangelist, django_admin.UserAdmin[User]):
    actions = ["log_out"]
    if settings.TWO_FACTOR != "off":
        actions = [*actions, "remove_second_factors"]

    @admin.action(description="Log out everywhere", permissions=["change"])
    def log_out(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """End all sessions of these accounts, except the session of this request.

        This request still needs its session, for the message.
        """
        sessions = Session.objects.filter(user__in=chosen)
        ended, _ = sessions.exclude(session_key=request.session.session_key).delete()
        done = f"Ended {ended} session{pluralize(ended)}."
        if chosen.contains(cast(User, request.user)):
            done += " This browser stays logged in."
        messages.success(request, done)

    @admin.action(description="Remove second factors", permissions=["change"])
    def remove_second_factors(
        self, request: HttpRequest, chosen: QuerySet[User]
    ) -> None:
        """Remove second factors of people who lost their phone and recovery codes."""
        removed, _ = Authenticator.objects.filter(user__in=chosen).delete()
        messages.success(
            request, f"Removed {removed} second factor{pluralize(removed)}."
        )


@admin.register(Group)
class GroupAdmin(TolerantChangelist, django_admin.GroupAdmin):
    pass


@admin.register(ApiToken)
class ApiTokenAdmin(LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[ApiToken]):
    """Admin of API tokens. By default, only superusers have the permissions.

    Other users with these permissions see, create and revoke only their own tokens. A
    token of another account would give them that account's permissions.
    """

    list_display = [
        "name",
        "user",
        "prefix",
        "is_valid",
        "created_at",
        "last_used_at",
        "revoked_at",
    ]
    list_select_related = ["user"]
    sortable_by = ["created_at"]
    empty_text = (
        "No tokens yet. Add one for a program that reads calls or dials. What the API "
        "can do: see the link “API” at the bottom of this page."
    )
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("djtranscribe.change_apitoken")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens = super().get_queryset(request)
        return tokens.filter(user__in=allowed_token_users(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.list_display if obj else ["user", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.list_display if obj else []

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Offer only the button "Save", because the next page must show the secret.
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        users = allowed_token_users(request).filter(is_active=True)
        users = users.order_by("username")
        options = {"queryset": users, "initial": request.user.pk, **kwargs}
        return super().formfield_for_foreignkey(db_field, request, **options)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        # Hide the buttons that add or edit users: accounts have their own pages.
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
        """Show the secret now, without a redirect: it is stored nowhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API token",
            "opts": self.opts,
            "token": obj,
            "secret": request.new_secret,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/djtranscribe/new_token.html", context)

    @admin.display(description="valid", boolean=True)
    def is_valid(self, token: ApiToken) -> bool:
        return not token.invalid_reason

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        revoked = chosen.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(
            request,
            f"Revoked {revoked} token{pluralize(revoked)}. Programs that use them are "
            "refused from now on.",
        )


def allowed_token_users(request: HttpRequest) -> QuerySet[User]:
    """Return the users for whom the user of this request may manage tokens."""
    user = cast(User, request.user)
    return User.objects.all() if user.is_superuser else User.objects.filter(pk=user.pk)


@admin.register(Profile)
class ProfileAdmin(LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[Profile]):
    """Admin of profiles, for superusers. Other users have the page Profile."""

    form = ProfileForm
    list_display = ["user", "time_zone"]
    list_select_related = ["user"]
    sortable_by = ["user"]
    fields = ["user", "time_zone"]
    empty_text = (
        "No account has chosen a time zone. All accounts see times in the time zone of "
        "this site."
    )
