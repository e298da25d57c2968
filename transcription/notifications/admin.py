from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from djtranscribe.adminsite.filters import Dates
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, link, table
from transcription.models import Notification


@admin.register(Notification)
class NotificationAdmin(LargeTableAdmin, ReadOnly, admin.ModelAdmin[Notification]):
    list_display = ["created_at", "state", "kind", "event", "answer"]
    list_filter = ["state", "kind", "event", ("created_at", Dates)]
    sortable_by = ["created_at"]
    empty_text = (
        "Nobody was notified yet. Set NOTIFY_URL for a webhook, NOTIFY_EMAIL for "
        "e-mail to the operator: what is sent then stands here."
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
        "told",
    ]
    readonly_fields = ["of", "told", "uuid"]

    @admin.display(description="transcript")
    def of(self, notification: Notification) -> str:
        if notification.transcript is None:
            return "deleted"
        return link(notification.transcript)

    @admin.display(description="what it tells")
    def told(self, notification: Notification) -> str:
        return table(notification.facts)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("transcription.change_notification")

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Under the same webhook-id: a receiver that has it already may drop it."""
        wanted = chosen.filter(kind__in=Notification.wanted())
        sent = sum(notification.send_again() for notification in wanted)
        left = chosen.count() - sent
        note = f" {left} are being sent now, or their kind is off." if left else ""
        messages.success(request, f"{sent} are sent again.{note}")
