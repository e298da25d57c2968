from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from caller.models import Call, DoNotCall, Recording
from caller.tasks import check_call
from djtranscribe.read_only_admin import (
    OddRequests,
    ReadOnly,
    ReadOnlyInline,
    link,
    player,
)


class HasLength:
    @admin.display(description="length", ordering="duration_seconds")
    def length(self, row: Call | Recording) -> str:
        """`1:05`, minutes and seconds."""
        if row.duration_seconds is None:
            return "-"
        return "{}:{:02}".format(*divmod(row.duration_seconds, 60))


class RecordingInline(HasLength, ReadOnlyInline):
    model = Recording
    fields = ["status", "length", "player", "error"]
    readonly_fields = ["length", "player"]

    @admin.display(description="audio")
    def player(self, recording: Recording) -> str:
        return player(recording.audio_url) if recording.audio else "not stored yet"


@admin.register(Call)
class CallAdmin(HasLength, ReadOnly, admin.ModelAdmin[Call]):
    list_display = ["number", "status", "created_at", "length", "requested_by", "error"]
    list_filter = ["status", "created_at", "requested_by"]
    list_select_related = ["requested_by"]
    search_fields = ["to", "sid", "uuid"]
    search_help_text = "A number's digits, a call's SID or UUID."
    date_hierarchy = "created_at"
    inlines = [RecordingInline]
    actions = ["ask_twilio"]
    fieldsets = [
        (None, {"fields": ["number", "country", "status", "error", "watch"]}),
        (
            "Asked for",
            {
                "fields": [
                    "created_at",
                    "requested_by",
                    "vocabulary",
                    "from_number",
                    "notice",
                ]
            },
        ),
        ("At Twilio", {"fields": ["sid", "answered_at", "ended_at", "length", "cost"]}),
    ]
    readonly_fields = ["number", "length", "watch", "cost"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        # As people write numbers: +1 (415) 555-1234.
        digits = search_term.translate(str.maketrans("", "", " ()-."))
        term = digits if digits.removeprefix("+").isdigit() else search_term
        return super().get_search_results(request, queryset, term)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("caller.add_call")

    @admin.action(description="Ask Twilio now", permissions=["ask"])
    def ask_twilio(self, request: HttpRequest, chosen: QuerySet[Call]) -> None:
        for pk in chosen.values_list("pk", flat=True):
            check_call.enqueue(pk)
        messages.success(request, f"Twilio is asked about {chosen.count()} calls.")

    @admin.display(description="number", ordering="to")
    def number(self, call: Call) -> str:
        return call.number

    @admin.display(description="page")
    def watch(self, call: Call) -> SafeString:
        return format_html(
            '<a href="{}">The call as it goes, with its text</a>',
            call.get_absolute_url(),
        )

    @admin.display(description="cost")
    def cost(self, call: Call) -> str:
        return call.cost or "not known yet"


@admin.register(DoNotCall)
class DoNotCallAdmin(OddRequests, admin.ModelAdmin[DoNotCall]):
    list_display = ["__str__", "reason", "added_at"]
    search_fields = ["number", "reason"]


@admin.register(Recording)
class RecordingAdmin(HasLength, ReadOnly, admin.ModelAdmin[Recording]):
    list_display = ["__str__", "status", "created_at", "length", "has_audio", "error"]
    list_filter = ["status", "created_at", "source"]
    list_select_related = ["call"]
    search_fields = ["call__to", "sid", "call__sid"]
    search_help_text = "A number's digits, or a SID."
    fieldsets = [
        (None, {"fields": ["call_link", "status", "error", "player", "transcripts"]}),
        (
            "At Twilio",
            {"fields": ["sid", "source", "length", "channels", "created_at"]},
        ),
        ("In our storage", {"fields": ["fetched_at", "sha256"]}),
    ]
    readonly_fields = ["call_link", "player", "transcripts", "length"]

    @admin.display(description="call")
    def call_link(self, recording: Recording) -> str:
        return link(recording.call)

    @admin.display(description="audio")
    def player(self, recording: Recording) -> str:
        return player(recording.audio_url) if recording.audio else "not stored yet"

    @admin.display(description="audio stored", boolean=True)
    def has_audio(self, recording: Recording) -> bool:
        return bool(recording.audio)

    @admin.display(description="transcripts")
    def transcripts(self, recording: Any) -> str:
        # By name, since `caller` imports nothing of `transcription`.
        rows = recording.transcripts.all()
        return format_html_join(
            ", ", "{}", ((link(row, row.get_status_display()),) for row in rows)
        )
