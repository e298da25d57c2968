"""Check Vocabulary.numbers: a keyword list is used for calls to these numbers."""

import re

from django.core.exceptions import ValidationError

from transcription.assemblyai.keyterms import terms_of

LINE = re.compile(r"[A-Z]{2}|\+[1-9][0-9]{0,14}")


def validate_numbers(text: str) -> None:
    """Check that each line is a country (DE) or a number's first digits (+1415)."""
    for line in terms_of(text):
        if not LINE.fullmatch(line):
            raise ValidationError(
                f"“{line}”: write a country in two capital letters, such as DE, or the "
                "first digits of a number, such as +1415."
            )
