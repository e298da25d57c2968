from django import forms

from transcription.exports.formats import FORMATS, Options

CSV = "csv"
KINDS = [(CSV, "One table (CSV)")] + [
    (extension, f"One file each, in a ZIP: {kind.label}")
    for extension, kind in FORMATS.items()
]


class ExportForm(forms.Form):
    kind = forms.ChoiceField(
        label="File", choices=KINDS, widget=forms.RadioSelect, initial=CSV
    )
    times = forms.BooleanField(label="with times", required=False)
    speakers = forms.BooleanField(label="with speakers", required=False)
    # Made by the page, so that it can ask how far the download is.
    export = forms.UUIDField(widget=forms.HiddenInput)

    @property
    def options(self) -> Options:
        """Of a table there are none: its columns are fixed."""
        return Options(
            times=self.cleaned_data["times"], speakers=self.cleaned_data["speakers"]
        )
