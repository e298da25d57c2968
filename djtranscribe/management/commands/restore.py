from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection

from djtranscribe.management import backups


class Command(BaseCommand):
    help = (
        "Replace the database with the one in a backup, and put back its recordings. "
        "Stop the web server and the workers first. Afterwards, run `reconcile`: it "
        "asks the vendors what happened since the backup. With --all, it also imports "
        "recordings of calls that are newer than the backup."
    )
    # Without system checks, restore also works before all settings are filled in.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="made by `backup`")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="delete what is in the database now",
        )

    def handle(self, *, file: Path, replace: bool, **options: Any) -> None:
        if not replace and has_tables():
            raise CommandError(
                "This database is not empty. To delete everything in it and restore "
                "the backup, add --replace."
            )
        with TemporaryDirectory() as folder:
            number = backups.read(file, Path(folder), self.show_progress)
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write(
            f"The database and {number} recordings are back. Start the web server and "
            "the workers. Then run `manage.py reconcile --since 2d`, with the age of "
            "the backup instead of 2d. Add --all to import recordings of newer calls."
        )

    def show_progress(self, number: int) -> None:
        if number % 100 == 0:
            self.stdout.write(f"{number} recordings…")


def has_tables() -> bool:
    try:
        return bool(connection.introspection.table_names())
    except Error as error:
        raise CommandError(f"The database cannot be read: {error}") from error
