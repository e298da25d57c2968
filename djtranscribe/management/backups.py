"""Write and read a backup: a tar file with the database and the recordings' audio.

The first file is `database.sqlite3` or `database.dump` (pg_dump's custom format). The
other files are the audio: `audio/<name in the storage>`. The database comes first, so
that the audio of every row follows. The audio is missing only if a recording is deleted
during the backup.
"""

import lzma
import os
import shutil
import sqlite3
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any, cast

from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import CommandError
from django.db import connection

from caller.models import Recording

DUMPS = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
AUDIO = "audio/"
END = bytes(2 * tarfile.BLOCKSIZE)


def write(
    archive: Path, folder: Path, show_progress: Callable[[int], None]
) -> list[str]:
    """Write the archive. Return the names of audio files that the storage lacks.

    folder: for the temporary dump, which can be as large as the database.
    show_progress: called after each audio file, with the number of audio files so far.
    """
    dump = folder / DUMPS[connection.vendor]
    dump_database(dump)
    missing = []
    with tarfile.open(archive, "x") as tar:
        archive.chmod(0o600)  # contains people's words
        tar.add(dump, dump.name)
        dump.unlink()
        rows = Recording.objects.exclude(audio="").order_by("pk")
        audio: Any = rows.values_list("audio", flat=True).iterator()
        # If an error ends this loop, close the query before the database connection is
        # closed. Otherwise Python prints a second traceback.
        with closing(audio) as names:
            for number, name in enumerate(names, 1):
                try:
                    with default_storage.open(name) as file:
                        member = tarfile.TarInfo(AUDIO + name)
                        member.size = default_storage.size(name)
                        tar.addfile(member, file)
                    # Without this, tarfile keeps every member in memory.
                    tar.members.clear()  # type: ignore[attr-defined]
                except FileNotFoundError:
                    missing.append(name)
                show_progress(number)
    return missing


def read(archive: Path, folder: Path, show_progress: Callable[[int], None]) -> int:
    """Replace the database and store the audio. Return the number of audio files.

    folder: a folder for the dump and, on PostgreSQL, for an SQL script.
    show_progress: as in `write`. Raises CommandError.
    """
    expected = DUMPS[connection.vendor]
    with open_archive(archive) as tar:
        first, *recordings = files_in(tar)
        if first.name not in DUMPS.values():
            raise CommandError(f"{archive} is not a backup of djtranscribe.")
        if first.name != expected:
            raise CommandError(
                "The backup was made on another kind of database: it contains "
                f"{first.name}, and this site needs {expected}. Set DATABASE_URL to a "
                "database of the same kind, then run `restore` again."
            )
        dump = folder / expected
        done = "Nothing was restored. Fix this, then run `restore` again."
        try:
            write_test_file()
            with dump.open("wb") as copy:
                shutil.copyfileobj(content(tar, first), copy)
            load_database(dump)
            done = (
                "The database was restored, but not all recordings. Fix this, then run "
                "`restore --replace` again."
            )
            dump.unlink()
            for number, member in enumerate(recordings, 1):
                store(member.name.removeprefix(AUDIO), content(tar, member))
                show_progress(number)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"The restore failed: {error}. {done}") from error
    return len(recordings)


def write_test_file() -> None:
    """Write a file into the storage and delete it. Raises OSError."""
    default_storage.delete(default_storage.save("restore", ContentFile(b"?")))


def open_archive(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive)
    except (OSError, tarfile.TarError) as error:
        raise CommandError(f"{archive} cannot be read: {error}") from error


def files_in(tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Read the archive to its end and return its files. Raises CommandError.

    If an archive was cut between two files, tarfile raises no error. So this function
    also looks for the end: two blocks of zeros.
    """
    try:
        found = [member for member in tar if member.isfile()]
        file: Any = tar.fileobj
        file.seek(tar.offset)
        has_end = file.read().startswith(END)
    except (EOFError, OSError, lzma.LZMAError, tarfile.TarError, zlib.error) as error:
        raise CommandError(
            f"The backup is damaged: {error}. Nothing was restored."
        ) from error
    if not (found and has_end):
        raise CommandError(
            "The backup is damaged: its end is missing. Nothing was restored."
        )
    return found


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", tar.extractfile(member))


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
        options = ("--format=custom", "--no-owner", f"--file={dump}")
        run_on_database("pg_dump", *options)


def load_database(dump: Path) -> None:
    """Delete all tables and load the dump, in one transaction."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(dump)) as copy:
            copy.backup(connection.connection)
    else:
        script = dump.with_suffix(".sql")
        # --no-privileges: the roles of the dump may not exist here.
        restore_options = ("--clean", "--if-exists", "--no-owner", "--no-privileges")
        run("pg_restore", *restore_options, f"--file={script}", str(dump))
        # Delete all tables first. The script would not delete tables that are newer
        # than the dump, and the foreign keys of such tables would stop it.
        psql_options = [
            *("--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1"),
            *drop_tables_option(),
        ]
        run_on_database("psql", *psql_options, f"--file={script}")
        script.unlink()
    connection.close()


def drop_tables_option() -> list[str]:
    """Return the option of psql that deletes all tables, or [] if there are none."""
    tables = map(connection.ops.quote_name, connection.introspection.table_names())
    names = ", ".join(tables)
    return [f"--command=DROP TABLE {names} CASCADE"] if names else []


def run_on_database(program: str, *options: str) -> None:
    """Run pg_dump or psql. Pass the password only in the environment."""
    client: Any = connection.client
    settings = connection.settings_dict
    (_, *arguments), environ = client.settings_to_cmd_args_env(settings, [])
    # The last argument is the database's name. Pass the name as --dbname: on some
    # systems, no options may follow a name.
    database = f"--dbname={arguments.pop()}"
    run(program, *arguments, database, *options, environ=environ)


def run(program: str, *options: str, environ: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, and our settings
            [program, *options],
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
