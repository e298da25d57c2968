from typing import Any, cast

from django import forms

from caller.models import Call


class DialForm(forms.ModelForm[Call]):
    class Meta:
        model = Call
        fields = ["vocabulary"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lists = cast("forms.ModelChoiceField[Any]", self.fields["vocabulary"])
        lists.empty_label = "The default list"
