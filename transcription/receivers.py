from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from caller.models import Recording
from caller.recordings.signals import recording_completed
from transcription.models import Transcript
from transcription.tasks import start


@receiver(recording_completed)
def transcribe(recording: Recording, priority: int, **kwargs: Any) -> None:
    """Start a transcript in the transaction that stores the recording."""
    vocabulary = recording.call.vocabulary if recording.call else None
    start(recording, vocabulary, priority)


@receiver(post_delete, sender=Transcript)
def note_deletion(instance: Transcript, **kwargs: Any) -> None:
    """Remember on the recording that somebody deleted its transcript."""
    Recording.objects.filter(pk=instance.recording_id).update(
        transcript_deleted_at=timezone.now()
    )
