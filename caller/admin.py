from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from caller import phone_numbers
from caller.models import Call, DoNotCall, Recording
from caller.models.call import CallQuerySet
from caller.tasks import check_call
from djtranscribe.list_filters import Choice, Dates, Length, Stored
from djtranscribe.long_lists import LongLists
from djtranscribe.read_only_admin import (
    OddRequests,
    ReadOnly,
    ReadOnlyInline,
    duration,
    link,
    player,
)

# As people write numbers: +1 (415) 555-1234.
NUMBER_CHARACTERS = frozenset("0123456789+ ()-./")


def is_number(typed: str) -> bool:
    return bool(typed) and NUMBER_CHARACTERS.issuperset(typed)


def is_uuid(typed: str) -> bool:
    try:
        UUID(typed)
    except ValueError:
        return False
    return True


class Operator(Stored):
    title = "operator"
    parameter_name = "operator"
    column = Call.requested_by.field
    path = "requested_by"


class State(Choice):
    """Those in which a call rests; the others pass within minutes."""

    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rests = (Call.Status.UNKNOWN, *Call.FINISHED)
        return [
            ("under-way", "Under way"),
            *((str(status), str(status.label)) for status in rests),
        ]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Call]:
        calls = cast(CallQuerySet, queryset)
        if chosen == "under-way":
            return calls.unfinished().exclude(status=Call.Status.UNKNOWN)
        return calls.filter(status=chosen)


class Country(Stored):
    title = "country"
    parameter_name = "country"
    column = Call.country_code.field
    path = "country_code"

    def label(self, value: str) -> str:
        return phone_numbers.country_name(value)


class KeywordList(Stored):
    title = "keyword list"
    parameter_name = "keywords"
    column = Call.vocabulary.field
    path = "vocabulary"


class CallLength(Length):
    measure = Call.LENGTH


class RecordingLength(Length):
    measure = Recording.LENGTH


class Origin(Choice):
    """Twilio has many words for the source of a recording; we have two more."""

    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("call", "A call"), ("file", "A file"), ("url", "An address")]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        if chosen == "call":
            return queryset.filter(call__isnull=False)
        return queryset.filter(source=chosen)


class HasLength:
    @admin.display(description="length", ordering=Call.LENGTH.desc())
    def length(self, row: Call | Recording) -> str:
        return duration(row.duration_seconds)


def stored_audio(recording: Recording) -> SafeString | str:
    return player(recording.audio_url) if recording.audio else "not stored yet"


# By name, since `caller` imports nothing of `transcription`.


def with_transcripts(recordings: QuerySet[Recording]) -> QuerySet[Recording]:
    """Without what is long of either: outlines, texts, words."""
    model: Any = Recording._meta.get_field("transcripts").related_model
    transcripts = model._default_manager.only("recording", "status")
    return recordings.defer("peaks").prefetch_related(
        Prefetch("transcripts", transcripts)
    )


def transcripts_of(recording: Any) -> SafeString | str:
    rows = recording.transcripts.all()
    links = ((link(row, row.get_status_display()),) for row in rows)
    return format_html_join(", ", "{}", links) or "none"


class RecordingInline(HasLength, ReadOnlyInline):
    model = Recording
    fields = ["itself", "transcripts", "length", "status", "error", "player"]
    readonly_fields = ["itself", "transcripts", "length", "player"]
    show_change_link = False
    verbose_name_plural = "recordings and what was said in them"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        return with_transcripts(super().get_queryset(request))

    @admin.display(description="recording")
    def itself(self, recording: Recording) -> SafeString | str:
        return link(recording, "Recording")

    @admin.display(description="audio")
    def player(self, recording: Recording) -> str:
        return stored_audio(recording)

    @admin.display(description="transcripts")
    def transcripts(self, recording: Recording) -> str:
        return transcripts_of(recording)


@admin.register(Call)
class CallAdmin(HasLength, LongLists, ReadOnly, admin.ModelAdmin[Call]):
    list_display = [
        "number",
        "status",
        "created_at",
        "length",
        "where",
        "requested_by",
        "error",
    ]
    sortable_by = ["number", "created_at", "length"]
    list_filter = [
        ("created_at", Dates),
        State,
        Operator,
        Country,
        CallLength,
        KeywordList,
    ]
    list_select_related = ["requested_by"]
    search_fields = ["to"]
    search_help_text = (
        "How a number begins, or its last four digits or more; a SID; a UUID."
    )
    when_empty = "No calls yet. Dial a number on the home page."
    when_empty_go_to = "caller:home"
    inlines = [RecordingInline]
    actions = ["ask_twilio"]
    fieldsets = [
        (
            None,
            {"fields": ["number", "national", "where", "status", "error", "watch"]},
        ),
        (
            "Asked for",
            {
                "fields": [
                    "created_at",
                    "requested_by",
                    "vocabulary",
                    "from_us",
                    "notice",
                ]
            },
        ),
        ("At Twilio", {"fields": ["sid", "answered_at", "ended_at", "length", "cost"]}),
    ]
    readonly_fields = [
        "number",
        "national",
        "where",
        "watch",
        "from_us",
        "length",
        "cost",
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if is_number(term):
            return cast(CallQuerySet, queryset).to_number(term), False
        if is_uuid(term):
            return queryset.filter(uuid=term), False
        return queryset.filter(sid=term), False

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

    @admin.display(description="as it is written there")
    def national(self, call: Call) -> str:
        return phone_numbers.national(call.to)

    @admin.display(description="country")
    def where(self, call: Call) -> str:
        return phone_numbers.country_name(call.country_code) or "-"

    @admin.display(description="number shown to them")
    def from_us(self, call: Call) -> str:
        return phone_numbers.for_people(call.from_number)

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
class DoNotCallAdmin(LongLists, OddRequests, admin.ModelAdmin[DoNotCall]):
    list_display = ["__str__", "reason", "added_at"]
    search_fields = ["number", "reason"]
    when_empty = (
        "Nobody is on the list yet. Add the number of who asks not to be called: it "
        "is never dialled then."
    )


@admin.register(Recording)
class RecordingAdmin(HasLength, LongLists, ReadOnly, admin.ModelAdmin[Recording]):
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
    list_filter = [("created_at", Dates), "status", RecordingLength, Origin]
    list_select_related = ["call"]
    search_fields = ["sid"]
    search_help_text = CallAdmin.search_help_text
    when_empty = "No recordings yet. They come with calls: dial on the home page."
    when_empty_go_to = "caller:home"
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Recording], search_term: str
    ) -> tuple[QuerySet[Recording], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if is_number(term):
            return queryset.filter(call__in=Call.objects.to_number(term)), False
        if is_uuid(term):
            return queryset.filter(call__uuid=term), False
        if term.startswith("CA"):
            return queryset.filter(call__sid=term), False
        return queryset.filter(sid=term), False

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
