from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize

from djtranscribe.adminsite.filters import DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, link, table
from transcription.models import Notification


@admin.register(Notification)
class NotificationAdmin(LargeTableAdmin, ReadOnly, admin.ModelAdmin[Notification]):
    list_display = ["created_at", "state", "kind", "event", "answer"]
    list_filter = ["state", "kind", "event", ("created_at", DateRangeFilter)]
    sortable_by = ["created_at"]
    empty_text = (
        "No notifications yet. Set NOTIFY_URL to send webhooks, or NOTIFY_EMAIL to "
        "send e-mail to the operator. This list then shows what was sent."
    )
    search_fields = ["about", "uuid"]
    search_help_text = "The UUID of a transcript, or a webhook-id."
    actions = ["send_again"]
    fields = [
        "of",
        "event",
        "kind",
        "state",
        "answer",
        "attempts",
        "next_attempt_at",
        "created_at",
        "sent_at",
        "finished_at",
        "uuid",
        "about",
        "content",
    ]
    readonly_fields = ["of", "content", "uuid"]

    @admin.display(description="transcript")
    def of(self, notification: Notification) -> str:
        if notification.transcript is None:
            return "deleted"
        return link(notification.transcript)

    @admin.display(description="content")
    def content(self, notification: Notification) -> str:
        return table(notification.facts)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("transcription.change_notification")

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Queue the chosen notifications again.

        Their webhook-ids stay the same, so that receivers can drop duplicates.
        """
        wanted = chosen.filter(kind__in=Notification.enabled_kinds())
        sent = sum(notification.send_again() for notification in wanted)
        skipped = chosen.count() - sent
        note = (
            f" Skipped: {skipped} (being sent now, or of a kind that is switched off)."
            if skipped
            else ""
        )
        messages.success(
            request,
            f"Queued {sent} notification{pluralize(sent)} to be sent again.{note}",
        )
