from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from caller.filters import CountryFilter, OperatorFilter
from djtranscribe.adminsite.filters import (
    ChoiceFilter,
    ColumnValueFilter,
    LengthFilter,
    RangeFilter,
    StateFilter,
)
from transcription.models import Transcript, TranscriptQuerySet
from transcription.models.transcript import language_name


class NeedsAttentionFilter(ChoiceFilter):
    title = "what needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed"), ("stuck", "Stuck"), ("paused", "Paused")]

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Transcript]:
        transcripts = cast(TranscriptQuerySet, queryset)
        if chosen == "failed":
            return transcripts.failed()
        if chosen == "stuck":
            return transcripts.stuck(timezone.now())
        return transcripts.paused()


class TranscriptStateFilter(StateFilter):
    groups = [
        ("done", "Done", [Transcript.Status.COMPLETED]),
        ("failed", "Failed", [Transcript.Status.ERROR]),
    ]
    statuses = Transcript.Status


class CallOperatorFilter(OperatorFilter):
    path = "recording__call__requested_by"


class CallCountryFilter(CountryFilter):
    path = "recording__call__country_code"


class ConfidenceFilter(RangeFilter):
    title = "confidence"
    parameter_name = "confidence"
    measure = Transcript.CONFIDENCE_ORDER
    steps = [
        ("doubtful", "Below 60%", 0, 0.6),
        ("fair", "60 to 80%", 0.6, 0.8),
        ("good", "80 to 90%", 0.8, 0.9),
        # 1.01 leaves out rows without a confidence: CONFIDENCE_ORDER gives them 2.0.
        ("sure", "90% and above", 0.9, 1.01),
    ]


class TranscriptLengthFilter(LengthFilter):
    measure = Transcript.LENGTH


class KeywordListFilter(ColumnValueFilter):
    title = "keyword list"
    parameter_name = "keywords"
    column = Transcript.vocabulary.field
    path = "vocabulary"


class LanguageFilter(ColumnValueFilter):
    title = "language"
    parameter_name = "language"
    column = Transcript.language.field
    path = "language"

    def label(self, value: str) -> str:
        return language_name(value)


class SpeechModelFilter(ColumnValueFilter):
    title = "speech model"
    parameter_name = "model"
    column = Transcript.model_used.field
    path = "model_used"
