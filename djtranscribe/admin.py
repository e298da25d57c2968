from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from djtranscribe import ledger
from djtranscribe.models import Access, VendorPause, WebhookDelivery
from djtranscribe.read_only_admin import ReadOnly, pretty


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
