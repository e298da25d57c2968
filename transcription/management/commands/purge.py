from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from djtranscribe.logs import log_only_warnings
from transcription.management.deletions import run
from transcription.retention import expiry
from transcription.retention.models import label


class Command(BaseCommand):
    help = (
        "Delete audio, transcripts and notes after their retention period: at Twilio, "
        "at AssemblyAI and here. The worker does this daily. The periods are in "
        "RETAIN_AUDIO_DAYS and RETAIN_TEXT_DAYS, and in contacts and keyword lists."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="show how much is due, and delete nothing",
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        if dry_run:
            for name, number in expiry.due().items():
                self.stdout.write(f"{label(name)}: {number:,}")
            return
        deletion = expiry.start_deletion()
        if deletion is None:
            self.stdout.write("Nothing to delete: no retention period has ended.")
            return
        with log_only_warnings():
            run(self, deletion)
