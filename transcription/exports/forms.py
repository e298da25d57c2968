from django import forms

from transcription.exports.content import Options, Version
from transcription.exports.formats import FORMATS

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
    version = forms.ChoiceField(
        label="Version of corrected transcripts",
        choices=Version.choices,
        initial=Version.CURRENT,
        required=False,
    )
    # The action `admin.export` chooses this UUID. The page needs it to ask for the
    # progress of the download.
    export = forms.UUIDField(widget=forms.HiddenInput)

    @property
    def options(self) -> Options:
        """Options of the files in a ZIP. A CSV uses only the version."""
        return Options(
            times=self.cleaned_data["times"],
            speakers=self.cleaned_data["speakers"],
            version=self.cleaned_data["version"],
        )
