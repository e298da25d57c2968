"""Shared code of the commands that transcribe recordings."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from caller.models import Recording
from transcription.models import Transcript, Vocabulary
from transcription.tasks import advance

POLL_SECONDS = 2


def find_vocabulary(name: str) -> Vocabulary:
    """Return the keyword list with this name. Raises CommandError."""
    found = Vocabulary.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(Vocabulary.objects.values_list("name", flat=True))
        raise CommandError(
            f"No keyword list is called “{name}”. The lists are: {names or 'none yet'}."
        )
    return found


@contextmanager
def new_recording(
    source: str, chunks: Iterable[bytes], channels: int | None = None
) -> Iterator[Recording]:
    """Store audio as a new recording, then run the `with` block in a transaction.

    Store the audio before the transaction: a download may take hours, and on SQLite a
    transaction blocks all other writers. During the download, the recording is
    IN_PROGRESS, so that nothing else transcribes it. After an error, delete the
    recording.
    Raises audio.NotAudio, OSError.
    """
    recording = Recording.objects.create(
        source=source, status=Recording.Status.IN_PROGRESS, channels=channels
    )
    try:
        recording.store_audio(chunks)
        with transaction.atomic():
            recording.status, recording.error = Recording.Status.COMPLETED, ""
            recording.save(update_fields=["status", "error"])
            yield recording
    except BaseException:
        recording.delete()
        raise


def advance_until_finished(transcripts: list[Transcript]) -> Iterator[float]:
    """Advance the transcripts until all are finished.

    After each round, yield the seconds since the start. Raises CommandError if a
    transcript was deleted.
    """
    began = time.monotonic()
    while waiting := [row for row in transcripts if not row.is_finished]:
        for transcript in waiting:
            advance_now(transcript)
        yield time.monotonic() - began
        if any(not row.is_finished for row in waiting):
            time.sleep(POLL_SECONDS)


def advance_now(transcript: Transcript) -> None:
    """Take all steps of the transcript that are possible now.

    Raises CommandError if the transcript was deleted.
    """
    # AssemblyAI's webhook may not reach us, so make the row due now. But after a
    # failure (attempts > 0), do not shorten the wait for the retry.
    due = Transcript.objects.unfinished().filter(pk=transcript.pk, attempts=0)
    due.update(next_attempt_at=timezone.now())
    advance.call(transcript.pk)
    try:
        transcript.refresh_from_db()
    except Transcript.DoesNotExist as error:
        raise CommandError(f"Transcript {transcript.pk} was deleted.") from error
