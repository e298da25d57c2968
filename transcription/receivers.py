from typing import Any

from django.db.models.signals import post_delete, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone

from caller.models import Note, Recording
from caller.recordings.signals import recording_completed
from transcription.models import Transcript
from transcription.review.mistakes import lock_and_find, remove_from_counts
from transcription.search.notes import search_text
from transcription.tasks import start


@receiver(recording_completed)
def transcribe(recording: Recording, priority: int, **kwargs: Any) -> None:
    """Start a transcript in the transaction that stores the recording."""
    start(recording, priority=priority)


@receiver(pre_save, sender=Note)
def index_note(instance: Note, **kwargs: Any) -> None:
    """Store the words of a note for the search.

    This is a signal receiver, because `caller` must not import `transcription`.
    """
    instance.search_text = search_text(instance.text)


@receiver(pre_delete, sender=Transcript)
def find_mistakes(instance: Transcript, origin: Any, **kwargs: Any) -> None:
    """Lock the transcript and find its mistakes (corrected words).

    Django sends this signal for all rows before it deletes the first row. So all
    transcripts are locked first, as `remove_from_counts` requires.
    origin: the row or the queryset on which `delete` was called. Store the mistakes in
    its attribute `removed_mistakes`: {transcript's primary key: mistakes}.
    """
    found = lock_and_find(instance)
    if found is not None:
        vars(origin).setdefault("removed_mistakes", {})[instance.pk] = found


@receiver(post_delete, sender=Transcript)
def record_deletion(instance: Transcript, origin: Any, **kwargs: Any) -> None:
    """Subtract the mistakes, and store the time of the deletion in the recording."""
    # The signal for the first deleted row subtracts the mistakes of all rows.
    if removed := vars(origin).pop("removed_mistakes", None):
        remove_from_counts(removed.values())
    Recording.objects.filter(pk=instance.recording_id).update(
        transcript_deleted_at=timezone.now()
    )
