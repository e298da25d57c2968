from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localdate

from caller import phone_numbers
from caller.filters import OriginFilter, RecordingLengthFilter
from caller.models import Call, Recording
from djtranscribe.adminsite.filters import DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, duration, link
from djtranscribe.adminsite.search_fields import IdentifierSearch, is_uuid


class HasLength:
    @admin.display(description="length", ordering=Call.LENGTH.desc())
    def length(self, row: Call | Recording) -> str:
        return duration(row.duration_seconds)


def stored_audio(recording: Recording) -> SafeString | str:
    if recording.audio_deleted_at:
        return f"deleted on {date_format(localdate(recording.audio_deleted_at))}"
    if not recording.audio:
        never = recording.status in Recording.WITHOUT_AUDIO
        return "none" if never else "not stored yet"
    player = '<audio controls preload="none" src="{}"></audio>'
    return format_html(player, recording.audio_url)


def with_transcripts(recordings: QuerySet[Recording]) -> QuerySet[Recording]:
    """Prefetch the transcripts. Leave out the large columns of both models."""
    # Find the model by name, because `caller` must not import `transcription`.
    model: Any = Recording._meta.get_field("transcripts").related_model
    transcripts = model._default_manager.only("recording", "status")
    return recordings.defer("peaks").prefetch_related(
        Prefetch("transcripts", transcripts)
    )


def transcripts_of(recording: Any) -> SafeString | str:
    rows = recording.transcripts.all()
    links = ((link(row, row.get_status_display()),) for row in rows)
    return format_html_join(", ", "{}", links) or "none"


class RecordingInline(HasLength, ReadOnly, admin.TabularInline[Recording, Call]):
    model = Recording
    extra = 0
    can_delete = False
    fields = ["recording_link", "transcripts", "length", "status", "error", "player"]
    readonly_fields = ["recording_link", "transcripts", "length", "player"]
    verbose_name_plural = "recordings and their transcripts"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        return with_transcripts(super().get_queryset(request))

    @admin.display(description="recording")
    def recording_link(self, recording: Recording) -> SafeString | str:
        return link(recording, "Recording")

    @admin.display(description="audio")
    def player(self, recording: Recording) -> str:
        return stored_audio(recording)

    @admin.display(description="transcripts")
    def transcripts(self, recording: Recording) -> str:
        return transcripts_of(recording)


@admin.register(Recording)
class RecordingAdmin(
    HasLength, IdentifierSearch, LargeTableAdmin, ReadOnly, admin.ModelAdmin[Recording]
):
    list_display = [
        "__str__",
        "status",
        "created_at",
        "length",
        "has_audio",
        "transcripts",
        "error",
    ]
    sortable_by = ["created_at", "length"]
    list_filter = [
        ("created_at", DateRangeFilter),
        "status",
        RecordingLengthFilter,
        OriginFilter,
    ]
    list_select_related = ["call"]
    search_fields = ["sid"]
    search_help_text = (
        "The first digits of a number, its last four (or more) digits, a SID or a UUID."
    )
    empty_text = (
        "No recordings yet. Place a call on the home page to make the first one."
    )
    empty_link = "caller:home"
    fieldsets = [
        (None, {"fields": ["call_link", "status", "error", "player", "transcripts"]}),
        (
            "At Twilio",
            {"fields": ["sid", "source", "length", "channels", "created_at"]},
        ),
        ("In our storage", {"fields": ["fetched_at", "sha256"]}),
    ]
    readonly_fields = ["call_link", "player", "transcripts", "length"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        return with_transcripts(super().get_queryset(request))

    def find(self, rows: QuerySet[Recording], typed: str) -> QuerySet[Recording]:
        if phone_numbers.is_number(typed):
            return rows.filter(call__in=Call.objects.to_number(typed))
        if is_uuid(typed):
            return rows.filter(call__uuid=typed)
        if typed.startswith("CA"):
            return rows.filter(call__sid=typed)
        return rows.filter(sid=typed)

    @admin.display(description="call")
    def call_link(self, recording: Recording) -> str:
        return link(recording.call)

    @admin.display(description="audio")
    def player(self, recording: Recording) -> str:
        return stored_audio(recording)

    @admin.display(description="audio stored", boolean=True)
    def has_audio(self, recording: Recording) -> bool:
        return bool(recording.audio)

    @admin.display(description="transcripts")
    def transcripts(self, recording: Recording) -> str:
        return transcripts_of(recording)
