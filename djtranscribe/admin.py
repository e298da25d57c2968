from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from djtranscribe import ledger
from djtranscribe.models import Access, ApiToken, VendorPause, WebhookDelivery
from djtranscribe.read_only_admin import OddRequests, ReadOnly, pretty


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly, admin.ModelAdmin[WebhookDelivery]):
    list_display = ["received_at", "kind", "verdict", "reason", "about"]
    list_filter = ["verdict", "kind", "received_at"]
    search_fields = ["about"]
    search_help_text = "The UUID of a call or of a transcript."
    actions = ["replay"]
    show_full_result_count = False
    fields = [
        "received_at",
        "kind",
        "verdict",
        "reason",
        "answer_status",
        "about",
        "said",
        "more_like_this",
        "replayed_at",
    ]
    readonly_fields = ["said"]

    @admin.display(description="what it said")
    def said(self, delivery: WebhookDelivery) -> str:
        return pretty(delivery.body)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("djtranscribe.change_webhookdelivery")

    @admin.action(description="Replay", permissions=["replay"])
    def replay(self, request: HttpRequest, chosen: QuerySet[WebhookDelivery]) -> None:
        """Oldest first, as they came. Forged ones were never acted on, nor are now."""
        authentic = chosen.exclude(verdict=WebhookDelivery.Verdict.REFUSED)
        for delivery in authentic.order_by("received_at"):
            ledger.replay(delivery)
        left = chosen.filter(verdict=WebhookDelivery.Verdict.REFUSED).count()
        note = f" {left} were refused when they came, and stay so." if left else ""
        messages.success(request, f"{authentic.count()} were replayed.{note}")


@admin.register(Access)
class AccessAdmin(ReadOnly, admin.ModelAdmin[Access]):
    list_display = ["at", "user", "action", "what", "row"]
    list_filter = ["action", "at", "user"]
    list_select_related = ["user"]
    show_full_result_count = False


@admin.register(VendorPause)
class VendorPauseAdmin(ReadOnly, admin.ModelAdmin[VendorPause]):
    list_display = ["vendor", "reason", "since", "probe_at"]
    actions = ["try_now"]

    def has_try_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("djtranscribe.change_vendorpause")

    @admin.action(description="Try now", permissions=["try"])
    def try_now(self, request: HttpRequest, chosen: QuerySet[VendorPause]) -> None:
        """The key or the balance was mended: do not wait for the next probe."""
        chosen.delete()
        messages.success(request, "Work goes on within half a minute, or pauses again.")


@admin.register(ApiToken)
class ApiTokenAdmin(OddRequests, admin.ModelAdmin[ApiToken]):
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
        field: Any = super().formfield_for_foreignkey(db_field, request, **options)
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
