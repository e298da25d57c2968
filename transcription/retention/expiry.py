"""Delete expired audio, texts and notes. Periods: see djtranscribe/retention.py."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.formats import date_format

from caller.contacts.models import of_contact
from caller.models import Note, Recording
from djtranscribe.retention import expired
from djtranscribe.vendors.errors import VendorError
from transcription.assemblyai import client as assemblyai_client
from transcription.models import Deletion, Transcript
from transcription.retention.models import LOST_JOBS
from transcription.retention.traces import clear_traces, overwrite_deleted
from transcription.review import mistakes
from transcription.vocabulary import past

logger = logging.getLogger(__name__)

# `work` deletes at most this many rows. A worker that must stop finishes them first.
AT_ONCE = 25
# If more than this many rows of a kind fail, skip the other rows of this kind until
# the next day.
MOST_SKIPPED = 100
EVERY = timedelta(days=1)


def due_audio(now: datetime) -> QuerySet[Any]:
    """Return recordings with expired audio and without unfinished transcripts."""
    transcripts = Transcript.objects.filter(recording=OuterRef("pk"))
    newest = transcripts.order_by("-pk").values("vocabulary__retain_audio_days")
    rows = Recording.objects.with_audio().filter(~Exists(transcripts.unfinished()))
    return expired(
        rows.order_by("created_at"),
        "audio",
        "created_at",
        now,
        of_contact("retain_audio_days", "call__other_number"),
        F("call__vocabulary__retain_audio_days"),
        Subquery(newest[:1]),
    )


def due_texts(now: datetime) -> QuerySet[Any]:
    """Return finished transcripts whose recording is older than the period of texts."""
    rows = Transcript.objects.filter(status__in=Transcript.FINISHED)
    return expired(
        # Do not load the words: they can be megabytes.
        rows.only("assemblyai_id", "submitted_at", "recording").order_by(
            "recording__created_at"
        ),
        "text",
        "recording__created_at",
        now,
        of_contact("retain_text_days", "recording__call__other_number"),
        F("vocabulary__retain_text_days"),
    )


def due_notes(now: datetime) -> QuerySet[Any]:
    return expired(
        Note.objects.order_by("created_at"),
        "text",
        "created_at",
        now,
        of_contact("retain_text_days", "call__other_number"),
        F("call__vocabulary__retain_text_days"),
    )


def delete_audio(recording: Recording) -> dict[str, int]:
    recording.delete_audio()
    return {"recordings at Twilio": int(bool(recording.sid)), "audio files": 1}


def delete_text(transcript: Transcript) -> dict[str, int]:
    """Delete a transcript at AssemblyAI, then our row. Raises AssemblyAIError.

    Our row stays if it has changed meanwhile: an operator may have retried a failed
    transcript, and then a worker is paying for a new job.
    """
    jobs = delete_job(transcript)
    with transaction.atomic():
        row = (
            Transcript.objects.select_for_update()
            .filter(
                pk=transcript.pk,
                status__in=Transcript.FINISHED,
                assemblyai_id=transcript.assemblyai_id,
            )
            .first()
        )
        if row:
            mistakes.forget(row)
            row.delete()
    return {"texts at AssemblyAI": jobs, "texts": int(bool(row))}


def delete_job(transcript: Transcript) -> int:
    """Delete the job at AssemblyAI. Return the number of jobs: 0 or 1.

    Raises AssemblyAIError.
    """
    if not transcript.assemblyai_id:
        return 0
    assemblyai_client.delete(transcript.assemblyai_id)
    return 1


def note_lost_job(transcript: Transcript, deletion: Deletion) -> None:
    """Note in the deletion if AssemblyAI may have a job whose ID we do not know.

    That is so if AssemblyAI's response to our request was lost and the transcript
    failed.
    """
    if transcript.submitted_at and not transcript.assemblyai_id:
        day = date_format(timezone.localdate(transcript.submitted_at))
        deletion.position.setdefault(LOST_JOBS, []).append(day)


def delete_note(note: Note) -> dict[str, int]:
    note.delete()
    return {"notes": 1}


class Kind(NamedTuple):
    due: Callable[[datetime], QuerySet[Any]]
    delete: Callable[[Any], dict[str, int]]


KINDS = {
    "audio": Kind(due_audio, delete_audio),
    "texts": Kind(due_texts, delete_text),
    "notes": Kind(due_notes, delete_note),
}


def due() -> dict[str, int]:
    """Return how many rows of each kind are due now."""
    now = timezone.now()
    return {name: kind.due(now).count() for name, kind in KINDS.items()}


def begin() -> Deletion | None:
    """Return the unfinished deletion, or a new one if rows are due, or else None."""
    known = Deletion.objects.filter(reason=Deletion.Reason.RETENTION)
    if unfinished := known.unfinished().first():
        return unfinished
    now = timezone.now()
    if any(kind.due(now).exists() for kind in KINDS.values()):
        return Deletion.objects.create(reason=Deletion.Reason.RETENTION)
    return None


def begin_daily() -> Deletion | None:
    """Call `begin`, but do not create a second deletion within 24 hours."""
    recent = Deletion.objects.filter(
        reason=Deletion.Reason.RETENTION, begun_at__gt=timezone.now() - EVERY
    )
    return None if recent.exclude(finished_at=None).exists() else begin()


def work(deletion: Deletion) -> bool:
    """Delete the next slice of rows. Return whether there is more to do.

    Raises LeaseLost.
    """
    overwrite_deleted()
    for name, kind in KINDS.items():
        state = deletion.position.setdefault(name, {"skipped": [], "is_over": False})
        if state["is_over"]:
            continue
        skipped = state["skipped"]
        rows = list(kind.due(deletion.begun_at).exclude(pk__in=skipped)[:AT_ONCE])
        for row in rows:
            try:
                counts = kind.delete(row)
                deletion.add(counts)
                if counts.get("texts"):
                    note_lost_job(row, deletion)
            except (VendorError, OSError) as error:
                logger.warning("deletion=%s %s=failed", deletion.pk, name)
                deletion.problem = explain(error)
                skipped.append(row.pk)
                if not is_about_row(error):
                    state["is_over"] = True
                    break
            deletion.keep_lease()
        state["is_over"] |= not rows or len(skipped) > MOST_SKIPPED
        if rows:
            deletion.release()
            return True
    past.forget_finished()
    deletion.finish()
    clear_traces()
    return False


def is_about_row(error: VendorError | OSError) -> bool:
    """Return whether the error is about this row only. Then other rows may succeed.

    An error of the storage counts as "about this row": one file may be write-protected.
    """
    if isinstance(error, OSError):
        return True
    return error.permanent and not error.account


def explain(error: VendorError | OSError) -> str:
    if isinstance(error, VendorError):
        return error.message
    return f"The storage could not delete a file: {error.strerror or 'unknown reason'}."
