from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from caller.models import Call, Recording, Tombstone
from caller.recordings import audio
from caller.twilio import client as twilio_client
from caller.twilio.states import RECORDING_SID
from djtranscribe.logs import log_only_warnings
from djtranscribe.vendors.errors import VendorError
from transcription.management.recordings import (
    advance_until_finished,
    find_vocabulary,
    new_recording,
)
from transcription.models import Transcript, Vocabulary
from transcription.models.work import explain
from transcription.tasks import start


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
        words = find_vocabulary(vocabulary) if vocabulary else None
        try:
            transcript = start_transcript(source, words, mono)
        except (VendorError, OSError) as error:
            raise CommandError(explain(error)) from error
        except audio.NotAudio as error:
            raise CommandError(f"{source} cannot be transcribed: {error}") from error
        try:
            with log_only_warnings():
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
        for seconds in advance_until_finished([transcript]):
            self.progress(
                f"Transcript {transcript.pk}: {transcript.progress}, {int(seconds)} s"
            )
        self.progress("")

    def progress(self, line: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="")
            self.stderr.flush()
        elif line:
            self.stderr.write(line)


def start_transcript(source: str, words: Vocabulary | None, mono: bool) -> Transcript:
    """Find the recording or store its audio, and start a transcript of it.

    Raises VendorError, audio.NotAudio, OSError or CommandError.
    """
    if RECORDING_SID.fullmatch(source):
        return start_from_twilio(source, words)
    if source.startswith(("http://", "https://")):
        return store_and_start("url", audio.download(source), words, mono)
    with open_file(source) as file:
        chunks = iter(lambda: file.read(audio.CHUNK_BYTES), b"")
        return store_and_start("file", chunks, words, mono)


def open_file(source: str) -> BufferedReader:
    try:
        return Path(source).open("rb")
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"{source} could not be read: {reason}.") from error


def start_from_twilio(sid: str, words: Vocabulary | None) -> Transcript:
    recording = Recording.objects.filter(sid=sid).first()
    columns: dict[str, Any] = {}
    if recording and recording.is_finished:
        status = recording.status
    else:
        state = twilio_client.fetch_recording(sid)
        status = state.status
        columns = {
            "call": Call.objects.filter(sid=state.call_sid).first(),
            "status": state.status,
            "duration_seconds": state.duration_seconds,
            "channels": state.channels,
            "source": state.source,
        }
    if status != Recording.Status.COMPLETED:
        raise CommandError(f"Twilio has no audio of {sid}: its status is {status}.")
    with transaction.atomic():
        recording, _ = Recording.objects.update_or_create(sid=sid, defaults=columns)
        # Somebody wants this recording again, so it no longer counts as deleted.
        Tombstone.objects.filter(sid=sid).delete()
        return start(recording, words)


def store_and_start(
    source: str, chunks: Iterable[bytes], words: Vocabulary | None, mono: bool
) -> Transcript:
    # If `channels` is 1, AssemblyAI mixes the channels. If it is None, `store_audio`
    # counts the channels of the file.
    with new_recording(source, chunks, channels=1 if mono else None) as recording:
        return start(recording, words)
