"""Write and read a backup: a tar file with the database and the recordings' audio.

First comes `database.sqlite3` or `database.dump` (pg_dump's custom format). Then comes
`audio/`, with the file names of the storage. The database is dumped first, so that no
recording in the dump lacks its audio, unless the recording is deleted meanwhile. A
recording that arrives meanwhile is not in the dump, but its audio may be in the tar
file.
"""

import os
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management.base import CommandError
from django.db import connection

from caller.models import Recording

DUMPS = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
AUDIO = "audio/"


def write(archive: Path, folder: Path, tell: Callable[[int], None]) -> list[str]:
    """Write the archive. Return the names of audio files that the storage lacks.

    folder: for the temporary dump, which can be as large as the database.
    tell: called after each audio file, with the number of audio files so far.
    """
    dump = folder / DUMPS[connection.vendor]
    dump_database(dump)
    missing = []
    with tarfile.open(archive, "x") as tar:
        archive.chmod(0o600)  # contains people's words
        tar.add(dump, dump.name)
        dump.unlink()
        names = Recording.objects.exclude(audio="").order_by("pk")
        rows = names.values_list("audio", flat=True).iterator()
        for number, name in enumerate(rows, 1):
            try:
                with default_storage.open(name) as file:
                    member = tarfile.TarInfo(AUDIO + name)
                    member.size = default_storage.size(name)
                    tar.addfile(member, file)
            except FileNotFoundError:
                missing.append(name)
            tell(number)
    return missing


def read(archive: Path, folder: Path, tell: Callable[[int], None]) -> int:
    """Replace the database and store the audio. Return the number of audio files.

    folder and tell: as in `write`. Raises CommandError.
    """
    expected = DUMPS[connection.vendor]
    number = 0
    with opened(archive) as tar:
        for member, file in members(tar):
            if number == 0 and member.name != expected:
                raise CommandError(
                    f"The backup has {member.name}, and this site needs {expected}: it "
                    "was made on another kind of database. Set DATABASE_URL to one of "
                    "the same kind."
                )
            if member.name == expected:
                dump = folder / expected
                with dump.open("wb") as copy:
                    shutil.copyfileobj(file, copy)
                load_database(dump)
                dump.unlink()
            else:
                store(member.name.removeprefix(AUDIO), file)
                tell(number)
            number += 1
    return max(number - 1, 0)


def opened(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive)
    except (OSError, tarfile.TarError) as error:
        raise CommandError(f"{archive} cannot be read: {error}") from error


def members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    try:
        for member in tar:
            if file := tar.extractfile(member):
                yield member, file
    except (EOFError, tarfile.TarError) as error:
        raise CommandError(f"The backup is damaged: {error}") from error


def store(name: str, file: IO[bytes]) -> None:
    try:
        if default_storage.exists(name):
            default_storage.delete(name)
        default_storage.save(name, File(file))
    except SuspiciousFileOperation as error:
        raise CommandError(
            "The backup is not safe: a file name in it points outside the storage. "
            "Nothing more was restored."
        ) from error


def dump_database(dump: Path) -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(dump)) as copy:
            connection.connection.backup(copy)
    else:
        run("pg_dump", "--format=custom", "--no-owner", f"--file={dump}")


def load_database(dump: Path) -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(dump)) as copy:
            copy.backup(connection.connection)
    else:
        options = ("--clean", "--if-exists", "--no-owner", "--exit-on-error")
        run("pg_restore", *options, str(dump))
    connection.close()


def run(program: str, *options: str) -> None:
    """Run pg_dump or pg_restore. Pass the password only in the environment."""
    client: Any = connection.client
    settings = connection.settings_dict
    (_, *arguments), environ = client.settings_to_cmd_args_env(settings, [])
    # Django's arguments are for psql and end with the database's name. pg_restore reads
    # a name without an option as a file name, so pass the database's name as --dbname.
    database = f"--dbname={arguments.pop()}"
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, and our settings
            [program, *arguments, database, *options],
            check=False,
            env={**os.environ, **(environ or {})},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        message = f"{program} is missing. On Debian: apt-get install postgresql-client"
        raise CommandError(message) from error
    if done.returncode:
        raise CommandError(f"{program} failed: {done.stderr.strip()[-500:]}")
