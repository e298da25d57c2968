from typing import Any

from django.dispatch import receiver

from caller.models import Recording
from caller.recordings.signals import recording_completed
from transcription.tasks import start


@receiver(recording_completed)
def transcribe(recording: Recording, priority: int, **kwargs: Any) -> None:
    """Runs in the transaction that stores the recording: both are kept or neither."""
    vocabulary = recording.call.vocabulary if recording.call else None
    start(recording, vocabulary, priority)
