"""Text and CSV files that people upload."""

import csv
import io

from django.core.exceptions import ValidationError


def text_of(content: bytes) -> str:
    """Return the text of a file. Raises ValidationError if it is not UTF-8 text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationError("Save the file as UTF-8 and try again.") from None
    if "\0" in text:
        raise ValidationError("This is not a text file.")
    return text


def rows_of_csv(text: str, dialect: type[csv.Dialect] = csv.excel) -> list[list[str]]:
    """Return the rows of a CSV file. Raises ValidationError if it is malformed."""
    try:
        return list(csv.reader(io.StringIO(text), dialect, strict=True))
    except csv.Error:
        raise ValidationError("This CSV file cannot be read.") from None
