import re
from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone

from caller import waveform
from djtranscribe.models import Access
from djtranscribe.read_only_admin import OddRequests, ReadOnly, link, pretty
from transcription import (
    exports,
    notification_admin,  # noqa: F401 - it registers
    reading,
    search,
)
from transcription.keyterms import terms_of, warnings_for
from transcription.models import Transcript, TranscriptQuerySet, Vocabulary
from transcription.tasks import announce, start

# A UUID, ours or AssemblyAI's.
IDENTIFIER = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


# Read when a transcript's own page asks for them.
HEAVY = ("words", "response", "request", "recording__peaks")


class NeedsAttention(admin.SimpleListFilter):
    title = "what needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed"), ("stuck", "Stuck"), ("paused", "Paused")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Transcript]
    ) -> QuerySet[Transcript]:
        transcripts = cast(TranscriptQuerySet, queryset)
        if self.value() == "failed":
            return transcripts.failed()
        if self.value() == "stuck":
            return transcripts.stuck(timezone.now())
        if self.value() == "paused":
            return transcripts.paused()
        return queryset


def page_of(transcript: Transcript) -> dict[str, Any]:
    """What the page of a transcript shows above admin's own fields."""
    recording = transcript.recording
    loudness = recording.loudness()
    known = [loudness.get("seconds"), transcript.audio_seconds]
    seconds = next(filter(None, known), recording.duration_seconds or 0)
    words = reading.words_of(transcript.words, seconds)
    return {
        "call_link": link(recording.call) if recording.call else "",
        "recording_link": link(recording),
        "has_audio": bool(recording.audio),
        "outline": waveform.outline(loudness.get("levels", [])),
        "wave_width": waveform.LEVELS,
        "seconds": seconds,
        "state": state_of(transcript),
        "language": transcript.language[:2],
        "words": words,
        "turns": reading.turns_of(words),
        "doubtful": reading.doubtful(words),
        "below": reading.DOUBTFUL_BELOW,
        "player_words": reading.for_the_player(words),
    }


def state_of(transcript: Transcript) -> str:
    """Why there is no text to read, or nothing."""
    if transcript.is_failed:
        reason = transcript.error or "No reason is known."
        return f"This recording could not be transcribed. {reason}"
    if transcript.nobody_spoke:
        return "Nobody spoke."
    if not transcript.is_finished:
        return (
            f"Not there yet: {transcript.progress} This page does not reload by itself."
        )
    return ""


def zip_action(extension: str) -> Any:
    label = f"Export as a ZIP: {exports.FORMATS[extension].label}"

    @admin.action(description=label, permissions=["view"])
    def export_zip(
        model_admin: Any, request: HttpRequest, chosen: QuerySet[Transcript]
    ) -> StreamingHttpResponse:
        batches = exports.batches(chosen, request.user)
        pieces = exports.zip_pieces(batches, extension, exports.Options())
        return download(pieces, "application/zip", "transcripts.zip")

    export_zip.__name__ = f"export_{extension}"
    return export_zip


def download(
    pieces: Iterator[bytes], content_type: str, name: str
) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@admin.register(Transcript)
class TranscriptAdmin(ReadOnly, admin.ModelAdmin[Transcript]):
    list_display = [
        "number",
        "excerpt",
        "status",
        "certainty",
        "created_at",
    ]
    # Its own page is the one in admin.
    view_on_site = False
    list_filter = [
        NeedsAttention,
        "status",
        "created_at",
        "error_class",
        "vocabulary",
        "model_used",
    ]
    list_select_related = ["recording__call", "vocabulary"]
    # What a UUID, an id or a number is looked for in; words go to the index.
    search_fields = ["recording__call__to", "assemblyai_id", "uuid"]
    search_help_text = (
        'Words, "an exact phrase", -not, prefix*; or a number\'s digits, or a UUID.'
    )
    actions = [
        "try_again",
        "refresh_now",
        "transcribe_again",
        "export_csv",
        *map(zip_action, exports.FORMATS),
    ]
    fieldsets = [
        ("How sure", {"fields": ["certainty", "language", "model_used", "vocabulary"]}),
        (
            "State",
            {"fields": ["status", "error", "error_class", "created_at", "finished_at"]},
        ),
        (
            "What went over the wire",
            {
                "classes": ["collapse"],
                "fields": [
                    "assemblyai_id",
                    "submitted_at",
                    "jobs",
                    "attempts",
                    "next_attempt_at",
                    "request_sent",
                    "answer",
                ],
            },
        ),
    ]
    readonly_fields = ["certainty", "request_sent", "answer"]

    @admin.display(description="number", ordering="recording__call__to")
    def number(self, transcript: Transcript) -> str:
        call = transcript.recording.call
        return call.number if call else f"from a {transcript.recording.source}"

    @admin.display(description="text")
    def excerpt(self, transcript: Transcript) -> str:
        if transcript.nobody_spoke:
            return "Nobody spoke"
        return transcript.text[:80] + ("…" if len(transcript.text) > 80 else "")

    @admin.display(description="confidence", ordering="confidence")
    def certainty(self, transcript: Transcript) -> str:
        if transcript.confidence is None:
            return "-"
        return f"{transcript.confidence:.0%}"

    @admin.display(description="request")
    def request_sent(self, transcript: Transcript) -> str:
        return pretty(transcript.request)

    @admin.display(description="answer")
    def answer(self, transcript: Transcript) -> str:
        response = transcript.response
        if isinstance(response, dict) and response.get("utterances"):
            # Every word once more: of three hours, megabytes.
            response = {**response, "utterances": "… left out here"}
        return pretty(response)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        Access.objects.note(request.user, Access.Action.READ, [context["original"]])
        return super().render_change_form(
            request, {**context, **page_of(context["original"])}, *args, **kwargs
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transcript]:
        # Every word of every call would be read to show a page of excerpts.
        return super().get_queryset(request).defer(*HEAVY)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Transcript], search_term: str
    ) -> tuple[QuerySet[Transcript], bool]:
        digits = search_term.translate(str.maketrans("", "", " ()-."))
        if not search_term or digits.removeprefix("+").isdigit():
            return super().get_search_results(request, queryset, digits)
        if IDENTIFIER.fullmatch(search_term):
            return super().get_search_results(request, queryset, search_term)
        query = search.parse(search_term)
        found = search.matching(queryset, query) if query else queryset.none()
        return found, False

    def changelist_view(self, request: HttpRequest, *args: Any) -> HttpResponse:
        answer = super().changelist_view(request, *args)
        changelist = getattr(answer, "context_data", {}).get("cl")
        if changelist:
            # An excerpt may be all that was said.
            Access.objects.note(
                request.user, Access.Action.READ, changelist.result_list
            )
        return answer

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("transcription.add_transcript")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(
        self, request: HttpRequest, chosen: QuerySet[Transcript]
    ) -> StreamingHttpResponse:
        lines = exports.csv_lines(exports.batches(chosen, request.user))
        return download(lines, "text/csv; charset=utf-8", "transcripts.csv")

    @admin.action(description="Try again what failed", permissions=["act"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Transcript]) -> None:
        """From the stage that failed: what was stored or handed over before stays."""
        retried = [transcript for transcript in chosen if transcript.retry()]
        for transcript in retried:
            announce(transcript.pk)
        others = chosen.count() - len(retried)
        note = f" {others} had not failed." if others else ""
        messages.success(request, f"{len(retried)} are tried again.{note}")

    @admin.action(description="Transcribe again", permissions=["act"])
    def transcribe_again(
        self, request: HttpRequest, chosen: QuerySet[Transcript]
    ) -> None:
        """A new transcript beside the old one, with the keyword list as it is now."""
        for transcript in chosen.select_related("recording", "vocabulary"):
            start(transcript.recording, transcript.vocabulary)
        messages.success(
            request, f"{chosen.count()} new transcripts are on their way. The old stay."
        )

    @admin.action(description="Refresh now", permissions=["act"])
    def refresh_now(self, request: HttpRequest, chosen: QuerySet[Transcript]) -> None:
        waiting = chosen.unfinished()  # type: ignore[attr-defined]
        for pk in waiting.values_list("pk", flat=True):
            Transcript.objects.filter(pk=pk).update(next_attempt_at=timezone.now())
            announce(pk)
        done = chosen.count() - waiting.count()
        note = f" {done} are finished already." if done else ""
        messages.success(request, f"{waiting.count()} are looked at now.{note}")


@admin.register(Vocabulary)
class VocabularyAdmin(OddRequests, admin.ModelAdmin[Vocabulary]):
    list_display = ["name", "is_default", "number_of_terms"]
    search_fields = ["name", "terms"]

    @admin.display(description="terms")
    def number_of_terms(self, vocabulary: Vocabulary) -> int:
        return len(terms_of(vocabulary.terms))

    def save_model(
        self, request: HttpRequest, obj: Vocabulary, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        for warning in warnings_for(obj.terms):
            messages.warning(request, warning)
