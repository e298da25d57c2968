"""Keyword lists as files: a term per line, or a CSV with terms in its first column."""

import csv
import io

from django.core.exceptions import ValidationError

from djtranscribe.text_files import rows_of_csv, text_of
from transcription.assemblyai.keyterms import terms_of

MAX_FILE_BYTES = 200_000
HEADERS = {"term", "terms", "keyword", "word"}


def terms_in(name: str, content: bytes) -> list[str]:
    """Return the terms of a text or CSV file. Raises ValidationError.

    The name of a CSV file ends with .csv. Its first row may be a header (HEADERS).
    """
    if len(content) > MAX_FILE_BYTES:
        raise ValidationError(
            "This file is too large for a keyword list. The maximum is "
            f"{MAX_FILE_BYTES // 1000} kB."
        )
    text = text_of(content)
    if not name.lower().endswith(".csv"):
        return terms_of(text)
    terms = terms_of("\n".join(row[0] for row in rows_of_csv(text) if row))
    return terms[1:] if terms and terms[0].lower() in HEADERS else terms


def csv_of(terms: list[str]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([["term"], *([term] for term in terms)])
    return b"\xef\xbb\xbf" + file.getvalue().encode()
