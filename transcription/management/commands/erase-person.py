from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from djtranscribe.confirmation import confirm
from djtranscribe.logs import log_only_warnings
from transcription.management.deletions import numbers_in, run
from transcription.models import Deletion
from transcription.retention import person


class Command(BaseCommand):
    help = (
        "Delete everything about these numbers: at Twilio, at AssemblyAI and here. "
        "Shows what there is, and asks first. You cannot undo the deletion. Backups "
        "still contain the data."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", nargs="+", help="such as +14155551234")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--dry-run", action="store_true", help="show what there is, delete nothing"
        )
        parser.add_argument(
            "--keep-do-not-call",
            action="store_true",
            help="keep the numbers on the do-not-call list, or put them there",
        )

    def handle(self, *, number: list[str], **options: Any) -> None:
        numbers = numbers_in(number)
        for what, how_many in person.summary(numbers).items():
            self.stdout.write(f"{what}: {how_many:,}")
        if options["dry_run"]:
            return
        if not options["yes"]:
            confirm("Erase all of it?", "Nothing was deleted.")
        deletion = Deletion.objects.create(
            reason=Deletion.Reason.PERSON,
            numbers=numbers,
            keeps_do_not_call=options["keep_do_not_call"],
        )
        with log_only_warnings():
            run(self, deletion)
