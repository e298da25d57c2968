"""Many transcripts as one file: a table (CSV), or a ZIP of one file each.

Both are made while they are sent, from `batches`.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from djtranscribe.models import Access
from transcription.exports.formats import FORMATS, Options, filename
from transcription.models import Transcript

AT_ONCE = 100
# What Excel, LibreOffice and Google Sheets take for the beginning of a formula
# (owasp.org/www-community/attacks/CSV_Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")

COLUMNS = [
    *("uuid", "number", "created", "status", "error"),
    *("language", "confidence", "audio_seconds", "text"),
]


def batches(
    transcripts: QuerySet[Transcript], reader: Any, *unread: str
) -> Iterator[list[Transcript]]:
    """Without the columns that the file leaves `unread`."""
    # The keys first, not rows through a cursor that stays open: once anybody else has
    # written, SQLite refuses the writing of who still reads, and the file breaks off.
    keys = list(transcripts.values_list("pk", flat=True))
    rows = Transcript.objects.select_related("recording__call")
    rows = rows.defer("request", "response", "recording__peaks", *unread)
    for start in range(0, len(keys) or 1, AT_ONCE):
        chosen = keys[start : start + AT_ONCE]
        found = rows.in_bulk(chosen)
        # One that was deleted meanwhile is passed over.
        batch = [found[key] for key in chosen if key in found]
        Access.objects.note(reader, Access.Action.READ, batch)
        yield batch


def harmless(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_lines(batches: Iterable[list[Transcript]]) -> Iterator[bytes]:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    # Without this mark Excel takes UTF-8 for something else.
    file.write("\ufeff")
    writer.writerow(COLUMNS)
    for batch in batches:
        for row in batch:
            call = row.recording.call
            cells = [row.uuid, call.to if call else "", row.created_at.isoformat()]
            cells += [row.get_status_display(), row.error, row.language]
            cells += [row.confidence, row.audio_seconds, row.text]
            writer.writerow(map(harmless, cells))
        yield file.getvalue().encode()
        file.seek(0)
        file.truncate()


class Sink(io.RawIOBase):
    """What zipfile writes into and we send on; it cannot be gone back in."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data, self.written = b"".join(self.written), []
        return data


def zip_pieces(
    batches: Iterable[list[Transcript]], extension: str, options: Options
) -> Iterator[bytes]:
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for batch in batches:
            for transcript in batch:
                content = FORMATS[extension].make(transcript, options)
                archive.writestr(filename(transcript, extension), content)
                yield sink.taken()
    yield sink.taken()
