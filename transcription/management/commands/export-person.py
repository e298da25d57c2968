from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcription.management.deletions import numbers_in
from transcription.retention import person_file


class Command(BaseCommand):
    help = (
        "Write the data about these numbers into a ZIP file: recordings, texts, notes, "
        "and all other data as JSON. Internal data is left out, such as the number of "
        "attempts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a new file, such as person.zip")
        parser.add_argument("number", nargs="+", help="such as +14155551234")

    def handle(self, *, file: Path, number: list[str], **options: Any) -> None:
        numbers = numbers_in(number)
        try:
            target = file.open("xb")
        except FileExistsError as error:
            raise CommandError(
                f"{file} exists already. Choose another name."
            ) from error
        except OSError as error:
            raise CommandError(
                f"{file} cannot be written: {error.strerror}."
            ) from error
        try:
            with target:
                for piece in person_file.zip_pieces(numbers, reader=None):
                    target.write(piece)
        except BaseException as error:
            # Delete an incomplete file: it contains a person's data, too.
            file.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise CommandError(
                    f"The export failed: {error}. The incomplete {file} was deleted."
                ) from error
            raise
        self.stdout.write(f"{file}: {file.stat().st_size:,} bytes.")
