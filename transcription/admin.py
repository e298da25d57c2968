from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.utils import timezone

from caller import phone_numbers
from caller.contacts.admin import with_name
from caller.models import Call
from djtranscribe.adminsite.filters import DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, duration, link, table
from djtranscribe.adminsite.search_fields import IdentifierSearch, is_uuid
from djtranscribe.models import Access
from transcription.exports.admin import ExportAdmin, export
from transcription.filters import (
    CallCountryFilter,
    CallOperatorFilter,
    ConfidenceFilter,
    KeywordListFilter,
    LanguageFilter,
    NeedsAttentionFilter,
    SpeechModelFilter,
    TranscriptLengthFilter,
    TranscriptStateFilter,
)
from transcription.models import Transcript, TranscriptQuerySet
from transcription.notifications.admin import NotificationAdmin
from transcription.retention.admin import DeletionAdmin
from transcription.search import finding
from transcription.search.operators import BadOperator
from transcription.search.query import parse
from transcription.tasks import AudioDeleted, enqueue_once, start_unless_running
from transcription.vocabulary.admin import VocabularyAdmin

__all__ = [
    "DeletionAdmin",
    "ExportAdmin",
    "NotificationAdmin",
    "TranscriptAdmin",
    "VocabularyAdmin",
]


@admin.register(Transcript)
class TranscriptAdmin(
    IdentifierSearch, LargeTableAdmin, ReadOnly, admin.ModelAdmin[Transcript]
):
    list_display = [
        "number",
        "excerpt",
        "status",
        "certainty",
        "length",
        "created_at",
    ]
    sortable_by = ["certainty", "length", "created_at"]
    empty_text = (
        "No transcripts yet. Dial a number on the home page; when the call is over, "
        "the transcript appears here automatically."
    )
    empty_link = "caller:home"
    # Hide the button "View on site": get_absolute_url is the URL of this admin page.
    view_on_site = False
    list_filter = [
        NeedsAttentionFilter,
        ("created_at", DateRangeFilter),
        TranscriptStateFilter,
        ConfidenceFilter,
        TranscriptLengthFilter,
        CallOperatorFilter,
        CallCountryFilter,
        KeywordListFilter,
        LanguageFilter,
        SpeechModelFilter,
    ]
    list_select_related = ["recording__call"]
    search_fields = ["text"]
    search_help_text = (
        'Words, "an exact phrase", -not, prefix*, tag:billing, by:ada. Or: the first '
        "digits of a number, its last four (or more) digits, or a UUID."
    )
    unlimited_actions = ("export",)
    actions = ["try_again", "refresh_now", "transcribe_again", export]
    fieldsets = [
        (
            "Confidence",
            {
                "fields": [
                    "certainty",
                    "length",
                    "language_name",
                    "model_used",
                    "vocabulary",
                ]
            },
        ),
        (
            "Status",
            {"fields": ["status", "error", "error_class", "created_at", "finished_at"]},
        ),
        (
            "What we sent to AssemblyAI",
            {
                "classes": ["collapse"],
                "fields": [
                    "assemblyai_id",
                    "submitted_at",
                    "jobs",
                    "attempts",
                    "next_attempt_at",
                    "request_sent",
                ],
            },
        ),
        ("AssemblyAI’s response", {"classes": ["collapse"], "fields": ["answer"]}),
    ]
    readonly_fields = ["certainty", "length", "language_name", "request_sent", "answer"]

    @admin.display(description="number")
    def number(self, transcript: Transcript) -> str:
        call = transcript.recording.call
        if call is None:
            return f"From {transcript.recording.origin}"
        return with_name(transcript, call.number)

    @admin.display(description="text")
    def excerpt(self, transcript: Transcript) -> str:
        if transcript.nobody_spoke:
            return "Nobody spoke"
        return transcript.text[:80] + ("…" if len(transcript.text) > 80 else "")

    @admin.display(description="length", ordering=Transcript.LENGTH.desc())
    def length(self, transcript: Transcript) -> str:
        return duration(transcript.audio_seconds)

    @admin.display(description="confidence", ordering=Transcript.CONFIDENCE_ORDER.asc())
    def certainty(self, transcript: Transcript) -> str:
        if transcript.confidence is None or transcript.nobody_spoke:
            return "-"
        return f"{transcript.confidence:.0%}"

    @admin.display(description="language")
    def language_name(self, transcript: Transcript) -> str:
        return transcript.language_name or "-"

    @admin.display(description="request")
    def request_sent(self, transcript: Transcript) -> str:
        return table(transcript.request)

    @admin.display(description="response")
    def answer(self, transcript: Transcript) -> str:
        response = transcript.response
        if isinstance(response, dict) and response.get("utterances"):
            # Leave out `utterances`, which repeats every word. For a call of three
            # hours, `utterances` takes megabytes.
            response = {**response, "utterances": "… left out here"}
        return table(response if isinstance(response, dict) else None)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        Access.objects.log(request.user, Access.Action.READ, [context["original"]])
        recording = context["original"].recording
        links = {
            "call_link": link(recording.call) if recording.call else "",
            "recording_link": link(recording),
        }
        return super().render_change_form(
            request, {**context, **links}, *args, **kwargs
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transcript]:
        # Do not load the large columns: the list shows only an excerpt of `text`.
        rows = cast(TranscriptQuerySet, super().get_queryset(request))
        return rows.defer("words", *Transcript.LARGE_COLUMNS).with_contact_name()

    def find(self, rows: QuerySet[Transcript], typed: str) -> QuerySet[Transcript]:
        if phone_numbers.is_number(typed):
            return rows.filter(recording__call__in=Call.objects.to_number(typed))
        if is_uuid(typed):
            return rows.filter(Q(uuid=typed) | Q(assemblyai_id=typed))
        query = parse(typed)
        return finding.filter_matching(rows, query) if query else rows.none()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Transcript], search_term: str
    ) -> tuple[QuerySet[Transcript], bool]:
        try:
            return super().get_search_results(request, queryset, search_term)
        except BadOperator as error:
            messages.warning(request, str(error))
            return queryset.none(), False

    def changelist_view(self, request: HttpRequest, *args: Any) -> HttpResponse:
        answer = super().changelist_view(request, *args)
        changelist = getattr(answer, "context_data", {}).get("cl")
        if changelist:
            # The list shows the first 80 characters of each text. This counts as READ.
            Access.objects.log(request.user, Access.Action.READ, changelist.result_list)
        return answer

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("transcription.add_transcript")

    @admin.action(description="Retry failed", permissions=["act"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Transcript]) -> None:
        """Restart failed transcripts. `Work.retry` chooses the step."""
        retried = [transcript for transcript in chosen if transcript.retry()]
        for transcript in retried:
            enqueue_once(transcript.pk, transcript.priority)
        others = chosen.count() - len(retried)
        note = f" Skipped: {others} that had not failed." if others else ""
        number = f"{len(retried)} transcript{pluralize(retried)}"
        messages.success(request, f"Retrying {number}.{note}")

    @admin.action(
        description="Transcribe again (AssemblyAI charges for it)", permissions=["act"]
    )
    def transcribe_again(
        self, request: HttpRequest, chosen: QuerySet[Transcript]
    ) -> None:
        """Create new transcripts of the same recordings, with the same keyword lists.

        A list is used as it is now. If a transcript has no keyword list, its
        new transcript gets the list that `keyword_list_for` finds, if there is one.
        """
        number = running = deleted = 0
        for row in chosen.select_related("recording__call", "vocabulary"):
            try:
                _, is_new = start_unless_running(row.recording, row.vocabulary)
            except AudioDeleted:
                deleted += 1
                continue
            number += is_new
            running += not is_new
        if number:
            messages.success(
                request,
                f"Started {number} new transcript{pluralize(number)}. The old ones are "
                "kept.",
            )
        if running:
            recordings = f"{running} recording{pluralize(running)}"
            are = pluralize(running, "it is,they are")
            note = f"Skipped {recordings}: {are} being transcribed already."
            messages.warning(request, note)
        if deleted:
            recordings = f"{deleted} recording{pluralize(deleted)}"
            note = f"Skipped {recordings}: the audio was deleted."
            messages.warning(request, note)

    @admin.action(description="Resume unfinished now", permissions=["act"])
    def refresh_now(self, request: HttpRequest, chosen: QuerySet[Transcript]) -> None:
        waiting = chosen.unfinished()  # type: ignore[attr-defined]
        for pk, priority in waiting.values_list("pk", "priority"):
            Transcript.objects.filter(pk=pk).update(next_attempt_at=timezone.now())
            enqueue_once(pk, priority)
        number = waiting.count()
        done = chosen.count() - number
        note = f" Skipped: {done} that had finished." if done else ""
        messages.success(
            request, f"Resumed {number} transcript{pluralize(number)}.{note}"
        )
