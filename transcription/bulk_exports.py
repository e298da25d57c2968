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
from transcription.exports import FORMATS, Options, filename
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
    transcripts: QuerySet[Transcript], reader: Any
) -> Iterator[list[Transcript]]:
    """Each is noted as read by `reader` when it is sent, not when it was asked for."""
    rows = transcripts.select_related("recording__call").defer("request", "response")
    batch: list[Transcript] = []
    for transcript in rows.iterator(chunk_size=AT_ONCE):
        batch.append(transcript)
        if len(batch) == AT_ONCE:
            Access.objects.note(reader, Access.Action.READ, batch)
            yield batch
            batch = []
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
