from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from djtranscribe.adminsite.large_tables import LongLists
from djtranscribe.adminsite.read_only import OddRequests
from transcription.assemblyai.keyterms import terms_of, warnings_for
from transcription.models import Vocabulary


@admin.register(Vocabulary)
class VocabularyAdmin(LongLists, OddRequests, admin.ModelAdmin[Vocabulary]):
    list_display = ["name", "is_default", "number_of_terms"]
    search_fields = ["name", "terms"]
    when_empty = (
        "No keyword lists yet. Add one with the names and terms that your calls are "
        "full of: AssemblyAI then expects them."
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
