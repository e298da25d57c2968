from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextInputWidget

from caller import number_facts, phone_numbers
from caller.models import Call, DoNotCall


class DialForm(forms.ModelForm[Call]):
    class Meta:
        model = Call
        fields = ["vocabulary"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lists = cast("forms.ModelChoiceField[Any]", self.fields["vocabulary"])
        lists.empty_label = "Automatic"
        # This text has the same order as VocabularyQuerySet.find_for_number.
        lists.help_text = (
            f"{lists.help_text} Automatic: the list of the contact, the number or the "
            "country, or else the default list."
        )

    @property
    def our_country(self) -> str:
        """Name of our number's country, or "".

        Numbers of this country can also be typed in their national format.
        """
        return number_facts.country(settings.TWILIO_PHONE_NUMBER)


class NumberField(forms.CharField):
    """Form field in admin for any phone number, even of a kind that we do not call.

    The field accepts more characters than the column, because a pasted number may
    contain invisible characters. `normalise_number` removes them.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, widget=AdminTextInputWidget, **kwargs)

    def clean(self, value: Any) -> str:
        # Normalise the number before Django checks that it is unique.
        typed = super().clean(value)
        return phone_numbers.normalise_number(phone_numbers.with_country_code(typed))


class DoNotCallForm(forms.ModelForm[DoNotCall]):
    number = NumberField(
        help_text="With country code, such as +14155551234, or in the national format "
        "of this site’s own country."
    )
