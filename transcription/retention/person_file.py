"""Export the data about a person as a ZIP, for people who ask what we store."""

import json
import zipfile
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from caller.models import Call, Contact, DoNotCall, Recording
from caller.recordings.audio import CHUNK_BYTES
from djtranscribe.models import Access
from transcription.exports.bulk import ZipBuffer, zip_entry
from transcription.exports.content import Options, Version
from transcription.models import Transcript
from transcription.retention.person import calls_of, deliveries_with

README = """\
person.json     the stored data about these numbers, without internal data
transcripts/    the corrected texts, and the texts as AssemblyAI wrote them
recordings/     the audio
"""
# Columns that are not exported. They are about our work, or computed from other data.
INTERNAL_COLUMNS = {
    *("id", "lease", "leased_until", "kills", "next_attempt_at", "announced_at"),
    *("priority", "attempts", "next_check_at", "missed_at", "refused_attempts"),
    *("search_text", "peaks", "client_key"),
}


def zip_pieces(numbers: Collection[str], reader: Any) -> Iterator[bytes]:
    """Yield the ZIP in pieces. Log that `reader` has read and heard everything.

    reader: the user, or None for the command `export-person`.
    """
    sink = ZipBuffer()
    calls = calls_of(numbers).order_by("created_at")
    recordings = Recording.objects.filter(call__in=calls).order_by("pk")
    transcripts = Transcript.objects.filter(recording__call__in=calls).order_by("pk")
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("person.json", as_json(data_about(numbers)))
        yield sink.take()
        for pk in list(transcripts.values_list("pk", flat=True)):
            rows = Transcript.objects.select_related("recording__call")
            # The row may have been deleted meanwhile.
            for row in rows.filter(pk=pk):
                Access.objects.log(reader, Access.Action.READ, [row])
                options = Options(times=True, speakers=True, version=Version.BOTH)
                name, content = zip_entry(row, "txt", options)
                archive.writestr(f"transcripts/{name}", content)
            yield sink.take()
        for recording in recordings.defer("peaks").exclude(audio=""):
            Access.objects.log(reader, Access.Action.LISTENED, [recording])
            yield from audio_pieces(archive, sink, recording)
    yield sink.take()


def audio_pieces(
    archive: zipfile.ZipFile, sink: ZipBuffer, recording: Recording
) -> Iterator[bytes]:
    try:
        file = recording.audio.open("rb")
    except FileNotFoundError:
        return
    name = PurePosixPath("recordings", recording.filename)
    # The entry is not compressed, because audio gets only a little smaller. Zip64 is
    # needed, because the length of the entry is not known yet.
    entry = zipfile.ZipInfo(str(name))
    with file, archive.open(entry, "w", force_zip64=True) as target:
        while chunk := file.read(CHUNK_BYTES):
            target.write(chunk)
            yield sink.take()


def data_about(numbers: Collection[str]) -> dict[str, Any]:
    contacts = Contact.objects.filter(numbers__number__in=numbers).distinct()
    listed = DoNotCall.objects.filter(number__in=numbers)
    return {
        "numbers": list(numbers),
        "contacts": [
            {**exported(row), "numbers": [exported(each) for each in row.numbers.all()]}
            for row in contacts
        ],
        "do_not_call": [exported(row) for row in listed],
        "calls": [
            exported_call(row) for row in calls_of(numbers).order_by("created_at")
        ],
        "webhook_deliveries": [
            exported(row) for row in deliveries_with(numbers).order_by("received_at")
        ],
    }


def exported_call(call: Call) -> dict[str, Any]:
    operator = call.requested_by
    recordings: list[Any] = list(call.recordings.order_by("pk"))
    return {
        **exported(call),
        "operator": operator.get_username() if operator else None,
        "tags": [tag.name for tag in call.tags.all()],
        "notes": [exported(note) for note in call.notes.order_by("created_at")],
        "recordings": [
            {
                **exported(recording),
                "transcripts": [
                    {
                        **exported(transcript),
                        "corrections": [
                            exported(each) for each in transcript.corrections.all()
                        ],
                    }
                    for transcript in recording.transcripts.order_by("pk")
                ],
            }
            for recording in recordings
        ],
    }


def exported(row: Model) -> dict[str, Any]:
    """Return the columns of a row, without foreign keys and the INTERNAL_COLUMNS."""
    return {
        field.name: field.value_from_object(row)
        for field in row._meta.concrete_fields
        if not field.is_relation and field.name not in INTERNAL_COLUMNS
    }


def as_json(value: Any) -> str:
    return json.dumps(value, cls=Encoder, indent=2, ensure_ascii=False)


class Encoder(DjangoJSONEncoder):
    def default(self, value: Any) -> Any:
        # Write a file as its path in the storage.
        return value.name if hasattr(value, "storage") else super().default(value)
