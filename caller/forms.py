from django import forms

from caller.models import Call


class DialForm(forms.ModelForm[Call]):
    class Meta:
        model = Call
        fields = ["vocabulary"]
