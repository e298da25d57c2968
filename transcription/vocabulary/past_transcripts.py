"""Make one correction in many past transcripts, in the background.

The Batch row is the work list. If a worker dies, another worker continues. All saves of
a batch have the same client key, so `editing.save` corrects no transcript twice.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.utils import timezone

from transcription.leases import unleased
from transcription.models import Batch, Revision, Transcript
from transcription.review import editing, mistakes
from transcription.review.replacing import find_replacements
from transcription.review.rules import Conflict, Refused, clean_text
from transcription.search import finding
from transcription.search.query import parse

# A worker corrects at most this many transcripts, then it stores the progress.
TRANSCRIPTS_PER_LEASE = 20
LEASE = timedelta(minutes=5)


def create_batch(heard: str, corrected: str, author: Any) -> Batch:
    """Store a Batch for the worker. Raises Refused or finding.TooFrequent.

    heard: the wrong text. corrected: the right text, as a person has typed it.

    Search the newest finding.MAX_RESULTS transcripts with the mistake. The batch gets
    those that are completed and not verified. If there are none, Refused is raised.
    """
    corrected = clean_text(corrected)
    if not corrected:
        raise Refused("The field “Write as” is empty: type the right text.")
    if len(corrected) > mistakes.MAX_LENGTH:
        raise Refused(f"Type at most {mistakes.MAX_LENGTH} characters.")
    query = parse(f'"{heard}"')
    keys = finding.ranked_keys(query) if query else []
    rows = Transcript.objects.filter(
        pk__in=keys, verified_at=None, status=Transcript.Status.COMPLETED
    )
    chosen = sorted(rows.values_list("pk", flat=True))
    if not chosen:
        raise Refused(
            "Nothing to correct: no transcript with this mistake is unverified (of the "
            f"newest {finding.MAX_RESULTS:,})."
        )
    return Batch.objects.create(
        heard=heard, corrected=corrected, author=author, transcripts=chosen
    )


def undo_batch(batch: Batch, author: Any) -> None:
    finished = Batch.objects.filter(pk=batch.pk, is_undoing=False)
    finished.exclude(finished_at=None).update(
        is_undoing=True, undone_by=author, done=0, finished_at=None
    )


def continue_batch() -> bool:
    """Do the next part of the oldest waiting batch. Return False if none is waiting.

    A batch waits if it is not finished and no worker has leased it.
    """
    now = timezone.now()
    until = now + LEASE
    waiting = Batch.objects.filter(unleased(now, LEASE), finished_at=None)
    oldest = waiting.order_by("pk").values_list("pk", flat=True).first()
    if oldest is None:
        return False
    if not waiting.filter(pk=oldest).update(leased_until=until):
        return True
    # Read the progress after the claim: another worker may have stored more meanwhile.
    ours = Batch.objects.filter(pk=oldest, leased_until=until)
    batch = ours.get()
    end = min(batch.done + TRANSCRIPTS_PER_LEASE, batch.total)
    for pk in batch.transcripts[batch.done : end]:
        # Skip a transcript that was verified, changed or deleted meanwhile.
        with suppress(Refused, Conflict, Transcript.DoesNotExist):
            _undo_in(batch, pk) if batch.is_undoing else _correct_in(batch, pk)
    # If another worker has leased the batch meanwhile, this stores nothing.
    ours.update(
        done=end,
        leased_until=None,
        finished_at=timezone.now() if end == batch.total else None,
    )
    return True


def _correct_in(batch: Batch, pk: int) -> None:
    transcript = Transcript.objects.get(pk=pk)
    changes = find_replacements(transcript, batch.heard, batch.corrected)
    if changes:
        editing.save(
            transcript,
            batch.author,
            transcript.revision or 0,
            changes,
            kind=Revision.Kind.REPLACE,
            client_key=uuid5(NAMESPACE_URL, f"batch {batch.pk}"),
            batch=batch,
        )


def _undo_in(batch: Batch, pk: int) -> None:
    for revision in batch.revisions.filter(transcript=pk, is_undone=False):
        editing.undo(revision.transcript, batch.undone_by, revision.number)


def delete_finished() -> None:
    """Delete finished batches whose transcripts are all deleted.

    These batches still contain words of their transcripts.
    """
    for batch in Batch.objects.exclude(finished_at=None).iterator():
        if not Transcript.objects.filter(pk__in=batch.transcripts).exists():
            batch.delete()
