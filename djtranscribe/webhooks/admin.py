from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from djtranscribe.adminsite.filters import ColumnValueFilter, DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, table
from djtranscribe.adminsite.search_fields import IdentifierSearch
from djtranscribe.models import WebhookDelivery
from djtranscribe.webhooks import ledger


class KindFilter(ColumnValueFilter):
    title = "kind"
    parameter_name = "kind"
    column = WebhookDelivery.kind.field
    path = "kind"

    def label(self, value: str) -> str:
        return WebhookDelivery.LABELS.get(value, value)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(
    IdentifierSearch, LargeTableAdmin, ReadOnly, admin.ModelAdmin[WebhookDelivery]
):
    list_display = ["received_at", "what", "verdict", "reason", "row"]
    sortable_by = ["received_at"]
    list_filter = [("received_at", DateRangeFilter), "verdict", KindFilter]
    search_fields = ["about"]
    search_help_text = "The UUID of a call or of a transcript."
    empty_text = (
        "No webhook has arrived yet. If you have dialled, check that BASE_URL is the "
        "public address of this site."
    )
    actions = ["replay"]
    fields = [
        "received_at",
        "what",
        "verdict",
        "reason",
        "answer_status",
        "row",
        "content",
        "more_like_this",
        "replayed_at",
    ]
    readonly_fields = ["what", "row", "content"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        # The list does not show `body`, so do not load this column for all rows.
        return super().get_queryset(request).defer("body")

    def find(
        self, rows: QuerySet[WebhookDelivery], typed: str
    ) -> QuerySet[WebhookDelivery]:
        return rows.filter(about=typed)

    @admin.display(description="about")
    def row(self, delivery: WebhookDelivery) -> SafeString | str:
        """Return a link that searches the calls or transcripts for the UUID."""
        if not delivery.about:
            return "-"
        is_call = delivery.kind != "assemblyai"
        name = "caller_call" if is_call else "transcription_transcript"
        address = reverse(f"admin:{name}_changelist", query={"q": delivery.about})
        return format_html('<a href="{}">{}</a>', address, delivery.about)

    @admin.display(description="content")
    def content(self, delivery: WebhookDelivery) -> SafeString | str:
        return table(delivery.body)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("djtranscribe.change_webhookdelivery")

    @admin.action(description="Replay", permissions=["replay"])
    def replay(self, request: HttpRequest, chosen: QuerySet[WebhookDelivery]) -> None:
        """Process these deliveries again, oldest first.

        Leave out refused deliveries: they may be forged.
        """
        repeatable = chosen.filter(
            kind__in=ledger.repeatable_kinds, body__isnull=False
        ).exclude(verdict=WebhookDelivery.Verdict.REFUSED)
        for delivery in repeatable.order_by("received_at"):
            ledger.replay(delivery)
        count = repeatable.count()
        left = chosen.count() - count
        deliveries = f"deliver{pluralize(count, 'y,ies')}"
        reasons = (
            "refused, of a kind that cannot be replayed, or about something that was "
            "deleted"
        )
        note = f" Skipped: {left} ({reasons})." if left else ""
        messages.success(request, f"Processed {count} {deliveries} again.{note}")
