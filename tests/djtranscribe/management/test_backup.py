"""A backup can be restored on another site, where nothing is missing."""

import re
import sqlite3
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest
import yaml

from tests.djtranscribe.test_settings import ROOT
from tests.postgresql import new_database
from tests.processes import environment, manage

FILL = """
from django.contrib.auth.models import User
from caller.models import Call, Recording
from tests.data import wav
from transcription.models import Transcript
User.objects.create_user("ada", password="secret")
for number in range(3):
    call = Call.objects.create(
        other_number=f"+1415555123{number}", our_number="+14155550100", status="busy"
    )
    recording = Recording.objects.create(
        call=call, sid=f"RE{number:032}", status="completed"
    )
    recording.store_audio([wav(seconds=1 + number)])
    Transcript.objects.create(
        recording=recording, status="completed", text=f"Größe {number}"
    )
"""
TELL = """
import hashlib
from django.contrib.auth.models import User
from transcription.models import Transcript
assert User.objects.get(username="ada").check_password("secret")
for row in Transcript.objects.order_by("pk"):
    audio = row.recording.audio
    digest = hashlib.sha256(audio.read()).hexdigest()
    assert digest == row.recording.sha256
    print(row.text, row.uuid, row.recording.call.other_number, audio.name, digest)
"""
# Add a table, as a newer version may do. A restore with --replace must remove it.
ADD_TABLE = """
from django.db import connection
connection.cursor().execute(
    "CREATE TABLE newer (owner_id integer REFERENCES auth_user (id))"
)
"""
TABLES = """
from django.db import connection
print(*connection.introspection.table_names())
"""
# Print by how many bytes the memory grows while 2,000 recordings are saved.
MEASURE = """
import tracemalloc
from pathlib import Path
from django.conf import settings
from caller.models import Recording
from djtranscribe.management import backups
name = Recording.objects.first().audio.name
Recording.objects.bulk_create(
    Recording(sid=f"RE{number:032}", audio=name) for number in range(9, 4009)
)
memory = {}
def show_progress(number):
    if number in (2000, 4000):
        memory[number] = tracemalloc.get_traced_memory()[0]
tracemalloc.start()
folder = Path(settings.MEDIA_ROOT)
backups.write(folder / "measured.tar", folder, show_progress)
print(memory[4000] - memory[2000])
"""


class Site:
    """A database and a folder of recordings."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(exist_ok=True)
        self.environ = environment(folder, DATABASE_URL=url, PYTHONPATH=str(ROOT))

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return manage(self.environ, *arguments, check=False)

    def shell(self, code: str) -> str:
        done = self.manage("shell", "--no-imports", "--command", code)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def sites(request, tmp_path) -> Iterator[tuple[Site, Site]]:
    """Yield two sites: the first has all tables, the second is empty."""
    folders = [tmp_path / name for name in ("first", "second")]
    if request.param == "sqlite":
        urls = [f"sqlite:///{folder}.sqlite3" for folder in folders]
        request.getfixturevalue("migrated").rename(f"{folders[0]}.sqlite3")
        yield Site(folders[0], urls[0]), Site(folders[1], urls[1])
        return
    with new_database("backup") as first, new_database("backup") as second:
        one = Site(folders[0], first)
        one.manage("migrate", "--verbosity", "0")
        yield one, Site(folders[1], second)


def test_memory_of_a_backup_does_not_grow_with_the_number_of_recordings(
    migrated, tmp_path
):
    site = Site(tmp_path / "site", f"sqlite:///{migrated}")
    site.shell(FILL)

    assert int(site.shell(MEASURE)) < 100_000


def test_backup_is_restored_to_another_database_and_folder(sites, tmp_path):
    one, other = sites
    before = one.shell(FILL + TELL)
    archive = tmp_path / "backup.tar"

    made = one.manage("backup", str(archive))
    restored = other.manage("restore", str(archive))

    assert made.returncode == 0, made.stderr
    assert restored.returncode == 0, restored.stderr
    assert "3 recordings are back" in restored.stdout
    assert before.count("Größe") == 3
    said = other.shell(TELL + TABLES + ADD_TABLE)
    assert said.startswith(before)
    assert archive.stat().st_mode & 0o077 == 0
    # backup never overwrites a file. restore only overwrites data with --replace.
    assert "already exists" in one.manage("backup", str(archive)).stderr
    assert "add --replace" in other.manage("restore", str(archive)).stderr
    replaced = other.manage("restore", str(archive), "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert other.shell(TELL + TABLES) == said


@pytest.fixture
def empty(tmp_path) -> Site:
    return Site(tmp_path / "empty", f"sqlite:///{tmp_path / 'empty.sqlite3'}")


def test_a_file_that_is_no_backup_changes_nothing(empty, tmp_path):
    (tmp_path / "text.tar").write_text("not a backup")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "text.tar", "database.dump")

    no_tar = empty.manage("restore", str(tmp_path / "text.tar"))
    no_file = empty.manage("restore", str(tmp_path / "nothing.tar"))
    of_postgresql = empty.manage("restore", str(tmp_path / "other.tar"))

    assert "cannot be read" in no_tar.stderr
    assert "cannot be read" in no_file.stderr
    assert "another kind of database" in of_postgresql.stderr
    for done in (no_tar, no_file, of_postgresql):
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("sites", ["postgresql"], indirect=True)
@pytest.mark.slow
def test_backup_with_the_grant_of_a_lost_role_is_restored(sites, tmp_path):
    one, other = sites
    role, archive = f"reader_{token_hex(4)}", tmp_path / "backup.tar"
    with psycopg.connect(one.environ["DATABASE_URL"], autocommit=True) as database:
        database.execute(f"CREATE ROLE {role}; GRANT SELECT ON caller_call TO {role}")
        one.manage("backup", str(archive))
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")

    restored = other.manage("restore", str(archive))

    assert restored.returncode == 0, restored.stderr


@pytest.mark.parametrize(
    ("in_the_way", "says"),
    [
        ("media", "Nothing was restored. Fix this, then run `restore` again."),
        ("media/a", "not all recordings. Fix this, then run `restore --replace` again"),
    ],
)
def test_a_storage_that_fails_is_said_with_the_next_step(
    empty, tmp_path, in_the_way, says
):
    """`in_the_way` is a file where the storage needs a folder."""
    with closing(sqlite3.connect(tmp_path / "database.sqlite3")) as database:
        database.execute("CREATE TABLE ours (id integer)")
    (tmp_path / "1.wav").write_bytes(b"sound")
    with tarfile.open(tmp_path / "backup.tar", "w") as tar:
        tar.add(tmp_path / "database.sqlite3", "database.sqlite3")
        tar.add(tmp_path / "1.wav", "audio/a/1.wav")
    obstacle = tmp_path / "empty" / in_the_way
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.touch()

    done = empty.manage("restore", str(tmp_path / "backup.tar"))

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    with closing(sqlite3.connect(tmp_path / "empty.sqlite3")) as database:
        tables = database.execute("SELECT name FROM sqlite_master").fetchall()
    assert bool(tables) == ("not all recordings" in says)


@pytest.fixture
def recording_file(empty, tmp_path, migrated):
    """Fill the database and the storage. Return the file of one recording."""
    migrated.rename(tmp_path / "empty.sqlite3")
    empty.shell(FILL)
    (file,) = (tmp_path / "empty").rglob(f"RE{0:032}*")
    return file


def test_a_backup_that_cannot_read_the_storage_leaves_no_file(
    empty, tmp_path, recording_file
):
    recording_file.unlink()
    recording_file.mkdir()

    done = empty.manage("backup", str(tmp_path / "backup.tar"))

    assert done.returncode == 1
    assert "The backup failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("backup.tar*"))


@pytest.mark.parametrize("part", ["audio", "between"])
def test_an_incomplete_backup_changes_nothing(empty, tmp_path, part):
    with closing(sqlite3.connect(tmp_path / "database.sqlite3")) as database:
        database.execute("CREATE TABLE ours (id integer)")
    (tmp_path / "1.wav").write_bytes(b"sound" * 1000)
    archive = tmp_path / "backup.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "database.sqlite3", "database.sqlite3")
        tar.add(tmp_path / "1.wav", "audio/1.wav")
    with tarfile.open(archive) as tar:
        audio = tar.getmember("audio/1.wav")
    cut = {"audio": audio.offset_data + 100, "between": audio.offset}
    archive.write_bytes(archive.read_bytes()[: cut[part]])

    done = empty.manage("restore", str(archive))

    assert done.returncode == 1
    assert "The backup is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    with closing(sqlite3.connect(tmp_path / "empty.sqlite3")) as database:
        assert not database.execute("SELECT * FROM sqlite_master").fetchall()
    assert not list((tmp_path / "empty").rglob("*.wav"))


def test_a_recording_without_its_file_is_named_and_the_rest_is_saved(
    empty, tmp_path, recording_file
):
    recording_file.unlink()

    done = empty.manage("backup", str(tmp_path / "backup.tar"))

    assert done.returncode == 0
    assert f"{recording_file.name} is missing" in done.stderr
    with tarfile.open(tmp_path / "backup.tar") as tar:
        assert len(tar.getnames()) == 3


def test_a_name_that_leads_out_of_the_folder_is_refused(empty, tmp_path):
    sqlite3.connect(tmp_path / "database.sqlite3").close()
    (tmp_path / "evil").write_bytes(b"evil")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(tmp_path / "database.sqlite3", "database.sqlite3")
        tar.add(tmp_path / "evil", "audio/../../evil.wav")

    done = empty.manage("restore", str(tmp_path / "evil.tar"))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("evil.wav"))


def test_the_docker_image_has_what_commands_need():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    image = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    major = re.fullmatch(r"postgres:(\d+)-.*", compose["services"]["database"]["image"])
    sources = {
        file.name: file.read_text()
        for app in ("caller", "djtranscribe", "transcription")
        for file in (ROOT / app / "management").rglob("*.py")
    }

    started = re.findall(r'run(?:_on_database)?\("(\w+)"', sources["backups.py"])

    # processes.py starts only Python, which the image has.
    starting = {name for name in sources if "import subprocess" in sources[name]}
    assert starting == {"backups.py", "processes.py"}
    assert set(started) == {"pg_dump", "pg_restore", "psql"}
    assert f" postgresql-client-{major[1]} " in image
    folders = [volume.split(":")[1] for volume in compose["x-app"]["volumes"]]
    assert f"install --directory --owner 10001 {' '.join(folders)}\n" in image
    assert f"VOLUME {' '.join(folders)}\n" in image
