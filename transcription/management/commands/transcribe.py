import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from caller.models import Call, Recording, Tombstone
from caller.recordings import audio
from caller.twilio import client as twilio_client
from caller.twilio.states import RECORDING_SID
from djtranscribe.logs import quiet
from djtranscribe.vendors.errors import VendorError
from transcription.models import Transcript, Vocabulary
from transcription.models.work import explain
from transcription.tasks import advance, start

LOOK_SECONDS = 2


class Command(BaseCommand):
    help = (
        "Transcribe one recording and print its text. Needs no running worker. The "
        "transcript is stored and shown in admin. After Ctrl-C the worker continues."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "source",
            metavar="RECORDING",
            help="The SID of a Twilio recording (RE…), an audio file, or the https "
            "URL of an audio file.",
        )
        parser.add_argument(
            "--vocabulary",
            metavar="NAME",
            help="Name of the keyword list (default: the list that fits the number, "
            "else the default list).",
        )

        parser.add_argument(
            "--mono",
            action="store_true",
            help="Mix the channels of a file or URL into one. By default, each channel "
            "is transcribed as a separate speaker.",
        )

    def handle(
        self, *, source: str, vocabulary: str | None, mono: bool, **options: Any
    ) -> None:
        words = vocabulary_named(vocabulary) if vocabulary else None
        try:
            transcript = started(source, words, mono)
        except (VendorError, OSError) as error:
            raise CommandError(explain(error)) from error
        except audio.NotAudio as error:
            raise CommandError(f"{source} cannot be transcribed: {error}") from error
        try:
            with quiet():
                self.wait_for(transcript)
        except KeyboardInterrupt:
            self.stderr.write(
                "\nThe worker continues. To print the text later: "
                f"manage.py print_transcription {transcript.pk}"
            )
            raise SystemExit(130) from None
        if transcript.is_failed:
            raise CommandError(f"Transcript {transcript.pk}: {transcript.error}")
        if transcript.nobody_spoke:
            self.stderr.write("Nobody spoke: the transcript is empty.")
        self.stdout.write(transcript.text)

    def wait_for(self, transcript: Transcript) -> None:
        began = time.monotonic()
        while not transcript.is_finished:
            look_at(transcript)
            seconds = int(time.monotonic() - began)
            self.progress(
                f"Transcript {transcript.pk}: {transcript.progress}, {seconds} s"
            )
            if not transcript.is_finished:
                time.sleep(LOOK_SECONDS)
        self.progress("")

    def progress(self, line: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="")
            self.stderr.flush()
        elif line:
            self.stderr.write(line)


def look_at(transcript: Transcript) -> None:
    """Take all steps that are possible now.

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


def vocabulary_named(name: str) -> Vocabulary:
    found = Vocabulary.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(Vocabulary.objects.values_list("name", flat=True))
        raise CommandError(
            f"No keyword list is called “{name}”. There is: {names or 'none yet'}."
        )
    return found


def started(source: str, words: Vocabulary | None, mono: bool) -> Transcript:
    """Find the recording or store its audio, and start a transcript of it.

    Raises VendorError, audio.NotAudio, OSError or CommandError.
    """
    if RECORDING_SID.fullmatch(source):
        return from_twilio(source, words)
    if source.startswith(("http://", "https://")):
        return stored("url", audio.downloaded(source), words, mono)
    with opened(source) as file:
        chunks = iter(lambda: file.read(audio.CHUNK_BYTES), b"")
        return stored("file", chunks, words, mono)


def opened(source: str) -> BufferedReader:
    try:
        return Path(source).open("rb")
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"{source} could not be read: {reason}.") from error


def from_twilio(sid: str, words: Vocabulary | None) -> Transcript:
    recording = Recording.objects.filter(sid=sid).first()
    columns: dict[str, Any] = {}
    if recording and recording.is_finished:
        status = recording.status
    else:
        news = twilio_client.fetch_recording(sid)
        status = news.status
        columns = {
            "call": Call.objects.filter(sid=news.call_sid).first(),
            "status": news.status,
            "duration_seconds": news.duration_seconds,
            "channels": news.channels,
            "source": news.source,
        }
    if status != Recording.Status.COMPLETED:
        raise CommandError(f"Twilio has no audio for {sid}: it is {status}.")
    with transaction.atomic():
        recording, _ = Recording.objects.update_or_create(sid=sid, defaults=columns)
        # Somebody wants this recording again, so it no longer counts as deleted.
        Tombstone.objects.filter(sid=sid).delete()
        return start(recording, words)


def stored(
    source: str, chunks: Iterable[bytes], words: Vocabulary | None, mono: bool
) -> Transcript:
    # If `channels` is 1, AssemblyAI mixes the channels. If it is None, `store_audio`
    # counts the channels of the file.
    with new_recording(source, chunks, channels=1 if mono else None) as recording:
        return start(recording, words)


@contextmanager
def new_recording(
    source: str, chunks: Iterable[bytes], channels: int | None = None
) -> Iterator[Recording]:
    """Store audio as a new recording, then run the body in a transaction.

    The transaction begins after the audio is stored: on SQLite, a transaction blocks
    all other writers, and a download may take hours. Until then, the recording is in
    progress, so that nothing else transcribes it. After an error it is deleted. If this
    process is killed, `cleanup.fail_interrupted` marks it as failed. Raises
    audio.NotAudio, OSError.
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
