from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import TolerantChangelist
from transcription.assemblyai.keyterms import terms_of, warnings_for
from transcription.models import Vocabulary


@admin.register(Vocabulary)
class VocabularyAdmin(
    LargeTableAdmin, TolerantChangelist, admin.ModelAdmin[Vocabulary]
):
    list_display = ["name", "is_default", "number_of_terms"]
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
        super().save_model(request, obj, form, change)
        for warning in warnings_for(obj.terms):
            messages.warning(request, warning)
