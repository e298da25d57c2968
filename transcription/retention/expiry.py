"""Delete expired audio, texts and notes. Periods: see djtranscribe/retention.py."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from caller.contacts.models import contact_subquery
from caller.models import Note, Recording
from djtranscribe.retention import filter_expired
from djtranscribe.vendors.errors import VendorError
from transcription.models import Deletion, Transcript
from transcription.retention.traces import clear_traces, overwrite_deleted
from transcription.retention.vendors import (
    MAX_FAILURES,
    count_failures,
    delete_job,
    explain,
    record_lost_job,
)
from transcription.vocabulary import past_transcripts

logger = logging.getLogger(__name__)

# `delete_slice` deletes at most this many rows. A slice must be short, because a worker
# finishes its slice before it stops.
SLICE_SIZE = 25
# After more than this many rows of a kind (audio, texts or notes) have failed, a
# Deletion skips the rest of this kind.
MAX_SKIPPED = 100
DAILY_INTERVAL = timedelta(days=1)


def due_audio(now: datetime) -> QuerySet[Any]:
    """Return recordings with expired audio and without unfinished transcripts."""
    transcripts = Transcript.objects.filter(recording=OuterRef("pk"))
    newest = transcripts.order_by("-pk").values("vocabulary__retain_audio_days")
    rows = Recording.objects.with_audio().filter(~Exists(transcripts.unfinished()))
    return filter_expired(
        rows.order_by("created_at"),
        "audio",
        "created_at",
        now,
        contact_subquery("retain_audio_days", "call__other_number"),
        F("call__vocabulary__retain_audio_days"),
        Subquery(newest[:1]),
    )


def due_texts(now: datetime) -> QuerySet[Any]:
    """Return finished transcripts whose retention period has ended.

    The period began when the recording was created.
    """
    rows = Transcript.objects.filter(status__in=Transcript.FINISHED)
    return filter_expired(
        # Do not load the words: they can be megabytes.
        rows.only("assemblyai_id", "submitted_at", "recording").order_by(
            "recording__created_at"
        ),
        "text",
        "recording__created_at",
        now,
        contact_subquery("retain_text_days", "recording__call__other_number"),
        F("vocabulary__retain_text_days"),
    )


def due_notes(now: datetime) -> QuerySet[Any]:
    return filter_expired(
        Note.objects.order_by("created_at"),
        "text",
        "created_at",
        now,
        contact_subquery("retain_text_days", "call__other_number"),
        F("call__vocabulary__retain_text_days"),
    )


def delete_audio(recording: Recording) -> dict[str, int]:
    recording.delete_audio()
    return {"recordings at Twilio": int(bool(recording.sid)), "audio files": 1}


def delete_text(transcript: Transcript) -> dict[str, int]:
    """Delete a transcript at AssemblyAI, then our row. Raises AssemblyAIError.

    If somebody has retried the transcript meanwhile, keep the row for the new text.
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
            row.delete()
    return {"texts at AssemblyAI": jobs, "texts": int(bool(row))}


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


def start_deletion() -> Deletion | None:
    """Return the unfinished Deletion of expired data, or create one if rows are due.

    Otherwise return None.
    """
    known = Deletion.objects.filter(reason=Deletion.Reason.RETENTION)
    if unfinished := known.unfinished().first():
        return unfinished
    now = timezone.now()
    if any(kind.due(now).exists() for kind in KINDS.values()):
        return Deletion.objects.create(reason=Deletion.Reason.RETENTION)
    return None


def start_daily_deletion() -> Deletion | None:
    """Call `start_deletion`, at most once a day.

    Return None if a deletion of the last 24 hours is already finished.
    """
    now = timezone.now()
    # Ignore a `begun_at` in the future: the clock was wrong at that time.
    recent = Deletion.objects.filter(
        reason=Deletion.Reason.RETENTION, begun_at__range=(now - DAILY_INTERVAL, now)
    )
    return None if recent.exclude(finished_at=None).exists() else start_deletion()


def delete_slice(deletion: Deletion) -> bool:
    """Delete the next slice of rows. Return whether another slice can follow at once.

    - A row that cannot be deleted waits for the next Deletion.
    - After MAX_FAILURES failures (see `count_failures`), the other rows of the same
      kind (audio, texts or notes) wait for the next `tasks.sweep`.
    - A Deletion ends after a day, even if rows are left. The next Deletion tries these
      rows.

    Raises LeaseLost.
    """
    overwrite_deleted()
    # Delete only what was due when the Deletion began. If the clock was wrong then,
    # `begun_at` may be in the future: delete only what is due now.
    until = min(deletion.begun_at, timezone.now())
    for name, kind in KINDS.items():
        state = deletion.position.setdefault(name, {"skipped": [], "is_over": False})
        state.setdefault("failures", 0)
        if state["is_over"] or state["failures"] >= MAX_FAILURES:
            continue
        skipped = state["skipped"]
        rows = list(kind.due(until).exclude(pk__in=skipped)[:SLICE_SIZE])
        for row in rows:
            delete_row(row, name, state, deletion)
            deletion.keep_lease()
            if state["failures"] >= MAX_FAILURES:
                break
        state["is_over"] |= not rows or len(skipped) > MAX_SKIPPED
        if rows:
            deletion.release()
            return True
    past_transcripts.delete_finished()
    states = [deletion.position[name] for name in KINDS]
    is_old = deletion.begun_at < timezone.now() - DAILY_INTERVAL
    if is_old or all(state["is_over"] for state in states):
        deletion.finish()
    else:
        for state in states:
            state["failures"] = 0
        deletion.release()
    clear_traces()
    return False


def delete_row(row: Any, name: str, state: dict[str, Any], deletion: Deletion) -> None:
    """Delete a row of a kind. If a vendor or the disk fails, skip the row.

    name: a key of KINDS. state: `deletion.position[name]`. It is updated.
    """
    try:
        counts = KINDS[name].delete(row)
        state["failures"] = 0
        deletion.add(counts)
        if counts.get("texts"):
            record_lost_job(row, deletion)
    except (VendorError, OSError) as error:
        logger.warning("deletion=%s %s=failed", deletion.pk, name)
        deletion.problem = explain(error)
        state["skipped"].append(row.pk)
        state["failures"] = count_failures(state["failures"], error)
