from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html

from transcription.assemblyai.keyterms import terms_of, validate_terms
from transcription.models import Vocabulary
from transcription.vocabulary.files import terms_in


class VocabularyForm(forms.ModelForm[Vocabulary]):
    file = forms.FileField(
        label="Add terms from a file",
        required=False,
        help_text="A text file with one term per line, or a CSV file with the terms in "
        "its first column.",
    )

    class Meta:
        model = Vocabulary
        fields = "__all__"  # noqa: DJ007 - admin chooses them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("custom_spellings", "prompt", "numbers", "notes"):
            if name in self.fields:
                self.fields[name].widget.attrs["rows"] = 3
        if terms := self.fields.get("terms"):
            # While a person types, let the server check the terms, and show the result.
            terms.widget.attrs |= {
                "hx-post": reverse("transcription:check-terms"),
                "hx-trigger": "load, input delay:300ms",
                "hx-include": "[name=csrfmiddlewaretoken]",
                "hx-target": "#terms-check",
            }
            terms.help_text = format_html(
                '{}<div id="terms-check" role="status"></div>'
                '<div data-poll-ended role="alert" hidden><p class="errornote"></p>'
                "</div>",
                terms.help_text,
            )

    def clean(self) -> dict[str, Any]:
        """Add the terms of the file to the typed terms."""
        data: dict[str, Any] = super().clean() or {}
        file = data.get("file")
        if file and "terms" in data:
            try:
                added = terms_in(file.name, file.read())
                data["terms"] = "\n".join(terms_of("\n".join([data["terms"], *added])))
                validate_terms(data["terms"])
            except forms.ValidationError as error:
                self.add_error("file", error)
        return data
