"""Text and CSV files that people upload."""

import csv
import io
from itertools import islice
from typing import Any

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


def rows_of_csv(text: str, most: int | None = None, **options: Any) -> list[list[str]]:
    """Return the rows of a CSV file, or the first `most` rows.

    options: keyword arguments of csv.reader. Raises ValidationError if one of these
    rows is malformed.
    """
    rows = csv.reader(io.StringIO(text), strict=True, **options)
    try:
        return list(islice(rows, most))
    except csv.Error:
        raise ValidationError("This CSV file cannot be read.") from None
