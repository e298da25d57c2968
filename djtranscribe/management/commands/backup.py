import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from djtranscribe.management import backups


class Command(BaseCommand):
    help = (
        "Write the database and all recordings into one file, which `restore` reads. "
        "The web server and the workers may keep running. The file contains people's "
        "words, so encrypt it. It does not contain your .env, so copy that too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a new file, such as backup.tar")

    def handle(self, *, file: Path, **options: Any) -> None:
        if file.exists():
            raise CommandError(f"{file} already exists. Choose another name.")
        if not file.parent.is_dir():
            raise CommandError(f"There is no folder {file.parent}.")
        unfinished = file.with_name(f"{file.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        try:
            with TemporaryDirectory(dir=file.parent) as folder:
                missing = backups.write(unfinished, Path(folder), self.show_progress)
            unfinished.rename(file)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"The backup failed: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
        for name in missing:
            self.stderr.write(f"{name} is missing in the storage and in the backup.")
        size = file.stat().st_size / 1_000_000
        self.stdout.write(f"{file}: {size:.1f} MB.")

    def show_progress(self, number: int) -> None:
        if number % 100 == 0:
            self.stdout.write(f"{number} recordings…")
