from typing import Any

from django import forms

from djtranscribe import zones
from djtranscribe.models import Profile


class ProfileForm(forms.ModelForm[Profile]):
    class Meta:
        model = Profile
        fields = ["time_zone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        column = Profile._meta.get_field("time_zone")
        self.fields["time_zone"] = forms.ChoiceField(
            choices=zones.choices, required=False, help_text=column.help_text
        )
