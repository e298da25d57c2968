from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from djtranscribe.logs import quiet
from transcription.management.deletions import run
from transcription.retention import expiry


class Command(BaseCommand):
    help = (
        "Delete audio, texts and notes whose time is over: at Twilio, at AssemblyAI, "
        "here. The worker does so daily. See RETAIN_AUDIO_DAYS and RETAIN_TEXT_DAYS, "
        "and the fields of contacts and keyword lists."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say how much, and delete nothing"
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        if dry_run:
            for name, number in expiry.due().items():
                self.stdout.write(f"{name}: {number:,}")
            return
        deletion = expiry.begin()
        if deletion is None:
            self.stdout.write("Nothing is due.")
            return
        with quiet():
            run(self, deletion)
