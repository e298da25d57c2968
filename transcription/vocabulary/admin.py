from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly, TolerantChangelist
from transcription.assemblyai.keyterms import terms_of, warnings_for
from transcription.models import Vocabulary, VocabularyVersion
from transcription.vocabulary.forms import VocabularyForm


class VersionInline(ReadOnly, admin.StackedInline[VocabularyVersion, Vocabulary]):
    model = VocabularyVersion
    fields = ["number", "at", "author", "terms", "custom_spellings", "prompt", "domain"]
    readonly_fields = ["at"]
    extra = 0
    can_delete = False
    verbose_name_plural = "versions: what we send to AssemblyAI, and since when"


@admin.register(Vocabulary)
class VocabularyAdmin(
    LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[Vocabulary]
):
    form = VocabularyForm
    inlines = [VersionInline]
    list_display = ["name", "is_default", "number_of_terms", "version"]
    fieldsets = [
        (None, {"fields": ["name", "terms", "file", "custom_spellings"]}),
        ("Context", {"fields": ["prompt", "domain"]}),
        ("When it is used", {"fields": ["is_default", "numbers", "notes"]}),
        (
            "How long its calls are kept",
            {"fields": ["retain_audio_days", "retain_text_days"]},
        ),
    ]
    search_fields = ["name", "terms"]
    empty_text = (
        "No keyword lists yet. Add one with the names and terms that are frequent in "
        "your calls, so that AssemblyAI recognises them."
    )

    @admin.display(description="terms")
    def number_of_terms(self, vocabulary: Vocabulary) -> int:
        return len(terms_of(vocabulary.terms))

    def save_model(
        self, request: HttpRequest, obj: Vocabulary, form: Any, change: bool
    ) -> None:
        obj.save(author=request.user)
        for warning in warnings_for(obj.terms):
            messages.warning(request, warning)
