"""Bulk export: one table (CSV), or a ZIP with one file per transcript.

The file is generated while it is sent. Transcripts are loaded in batches, so that they
are never all in memory.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from djtranscribe.models import Access
from transcription.exports.content import OneVersionOnly, Options, Version, filename
from transcription.exports.fonts import MissingFont
from transcription.exports.formats import FORMATS
from transcription.models import Transcript

# How many transcripts are loaded at once, without and with their words. The words of a
# one-hour call take 4 MB of memory.
BATCH_SIZE, BATCH_SIZE_WITH_WORDS = 100, 5
# A cell that starts with one of these is a formula for Excel, LibreOffice and Google
# Sheets. See owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# A cell with only a number, such as a phone number, is not a formula.
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
# Excel and LibreOffice show at most this many characters of a cell.
CELL_CHARACTERS = 32_767

COLUMNS = [
    *("uuid", "number", "created", "status", "error"),
    *("language", "confidence", "audio_seconds", "text", "note"),
    *("recorded", "contact"),
]


def batches(
    transcripts: QuerySet[Transcript], reader: Any, *unused_columns: str
) -> Iterator[list[Transcript]]:
    """Load the transcripts in batches and log that the user `reader` read them.

    Do not load `unused_columns`. Without transcripts, yield one empty batch, so that
    `csv_lines` writes the header.
    """
    # Load the keys first. With an open cursor, SQLite rejects our writes to the access
    # log as soon as another process has written. Then the download would break off.
    keys = list(transcripts.values_list("pk", flat=True))
    rows = Transcript.objects.select_related("recording__call").with_contact_name()
    rows = rows.defer(*{*Transcript.LARGE_COLUMNS, *unused_columns} - {"original_text"})
    size = BATCH_SIZE if "words" in unused_columns else BATCH_SIZE_WITH_WORDS
    for start in range(0, len(keys) or 1, size):
        chosen = keys[start : start + size]
        found = rows.in_bulk(chosen)
        # Skip transcripts that were deleted after the keys were loaded.
        batch = [found[key] for key in chosen if key in found]
        Access.objects.log(reader, Access.Action.READ, batch)
        yield batch


def one_by_one(batches: Iterable[list[Transcript]]) -> Iterator[list[Transcript]]:
    return ([transcript] for batch in batches for transcript in batch)


def escape_formula(cell: Any) -> str:
    """Return the cell as text. A leading apostrophe disables a formula."""
    text = "" if cell is None else str(cell)
    is_formula = text.startswith(FORMULA) and not NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def truncation_note(text: str) -> str:
    """Return a note, or "" if a spreadsheet can show the whole text."""
    if len(text) <= CELL_CHARACTERS:
        return ""
    return (
        f"This text has {len(text):,} characters. A spreadsheet program shows the "
        f"first {CELL_CHARACTERS:,} of them. Other programs read the whole text."
    )


def csv_lines(
    batches: Iterable[list[Transcript]], version: str = Version.CURRENT
) -> Iterator[bytes]:
    """Yield the CSV file in pieces.

    The column `text` has the corrected text or, for Version.ORIGINAL, the original
    text. Version.BOTH adds a column `original_text`.
    """
    is_original, has_both = version == Version.ORIGINAL, version == Version.BOTH
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    # Excel only recognises UTF-8 if the file starts with a byte order mark.
    file.write("\ufeff")
    writer.writerow(COLUMNS + ["original_text"] * has_both)
    for batch in batches:
        for row in batch:
            call = row.recording.call
            cells = [
                row.uuid,
                call.other_number if call else "",
                row.created_at.isoformat(),
            ]
            cells += [row.get_status_display(), row.error, row.language]
            text = row.uncorrected_text if is_original else row.text
            cells += [row.confidence, row.audio_seconds, text, truncation_note(text)]
            cells += [row.recording.recorded_at.isoformat()]
            cells += [getattr(row, "contact_name", None)]
            cells += [row.uncorrected_text] * has_both
            writer.writerow(map(escape_formula, cells))
        yield file.getvalue().encode()
        file.seek(0)
        file.truncate()


class ZipBuffer(io.RawIOBase):
    """Write-only buffer between zipfile and the response. It cannot seek."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return and remove what was written so far."""
        data, self.written = b"".join(self.written), []
        return data


def zip_entry(
    transcript: Transcript, extension: str, options: Options
) -> tuple[str, bytes]:
    """Return the name and content of one file of a ZIP."""
    try:
        content = FORMATS[extension].make(transcript, options)
    except (MissingFont, OneVersionOnly) as error:
        # The download has begun, so put the reason into the ZIP instead of the file.
        name = filename(transcript, f"{extension}-was-not-made.txt")
        return name, f"{error}\n".encode()
    return filename(transcript, extension), content


def zip_pieces(
    batches: Iterable[list[Transcript]], extension: str, options: Options
) -> Iterator[bytes]:
    sink = ZipBuffer()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for batch in batches:
            for transcript in batch:
                archive.writestr(*zip_entry(transcript, extension, options))
                yield sink.take()
    yield sink.take()
