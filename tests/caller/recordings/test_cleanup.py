"""Cleanup of files: which are deleted after a day, and which are kept."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.utils import timezone

from caller.models import Recording
from caller.recordings import cleanup
from djtranscribe.worker import maintenance
from tests.caller.rows import RECORDING_SID, a_recording
from tests.data import wav

pytestmark = pytest.mark.django_db


def grown_old(*paths, hours=25):
    at = (timezone.now() - timedelta(hours=hours)).timestamp()
    for path in paths:
        os.utime(path, (at, at))


def yesterday():
    return timezone.now() - timedelta(days=1)


@pytest.fixture
def killed(media):
    """Store the audio of a recording twice. Return the path of the first file.

    Only the second file is in the row, as if the first worker was killed before saving.
    """
    recording = a_recording()
    recording.store_audio([wav()])
    left = recording.audio.path
    Recording.objects.update(audio="")
    recording = Recording.objects.get()
    recording.store_audio([wav()])
    grown_old(left, recording.audio.path)
    return left


def files(media):
    return {str(path) for path in (media / "recordings").iterdir()}


def test_replaced_file_of_a_recording_is_deleted(media, killed):
    deleted = cleanup.delete_recordings(yesterday())

    assert deleted == 1
    assert files(media) == {Recording.objects.get().audio.path}


def test_file_younger_than_a_day_is_kept(media, killed):
    grown_old(killed, hours=23)

    assert cleanup.delete_recordings(yesterday()) == 0
    assert killed in files(media)


def test_file_is_kept_if_its_replacement_is_missing(media, killed):
    Recording.objects.get().audio.storage.delete(Recording.objects.get().audio.name)
    before = files(media)

    assert cleanup.delete_recordings(yesterday()) == 0
    assert files(media) == before


def test_the_only_file_of_a_recording_stays(media, killed):
    Recording.objects.update(audio="")

    assert cleanup.delete_recordings(yesterday()) == 0
    assert len(files(media)) == 2


def test_files_unknown_to_the_database_are_kept(media, killed):
    """After a restore from a backup, newer recordings have files here but no rows."""
    (media / "recordings" / "notes.txt").write_text("An operator's own.")
    grown_old(media / "recordings" / "notes.txt")
    Recording.objects.filter(sid=RECORDING_SID).update(sid=None)

    assert cleanup.delete_recordings(yesterday()) == 0
    assert len(files(media)) == 3


def test_a_file_goes_that_could_not_be_deleted_with_its_recording(
    media, monkeypatch, transactional_db
):
    first, second = a_recording(), a_recording(sid=RECORDING_SID[:-1] + "9")
    for recording in (first, second):
        recording.store_audio([wav()])
    grown_old(first.audio.path, second.audio.path)
    delete = FileSystemStorage.delete

    def unreliable(storage, name):
        if name == first.audio.name:
            raise OSError(5, "Input/output error")
        delete(storage, name)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", unreliable)
        Recording.objects.order_by("pk").delete()
    left = files(media)

    assert not Recording.objects.exists()
    assert left == {first.audio.path}
    assert cleanup.delete_recordings(yesterday()) == 1
    assert files(media) == set()


def test_a_file_of_a_recording_goes_whose_audio_retention_has_deleted(media, killed):
    recording = Recording.objects.get()
    recording.audio.storage.delete(recording.audio.name)
    Recording.objects.update(audio="", audio_deleted_at=timezone.now())

    assert cleanup.delete_recordings(yesterday()) == 1
    assert files(media) == set()


def test_cleanup_of_an_empty_storage_deletes_nothing():
    assert cleanup.delete_recordings(yesterday()) == 0


class Blind(FileSystemStorage):
    listdir = Storage.listdir


class Timeless(FileSystemStorage):
    get_modified_time = Storage.get_modified_time


@pytest.mark.parametrize("storage", [Blind, Timeless])
def test_storage_without_listing_or_times_keeps_its_files(
    media, killed, monkeypatch, storage
):
    monkeypatch.setattr(Recording.audio.field, "storage", storage())

    assert cleanup.delete_recordings(yesterday()) == 0
    assert len(files(media)) == 2


def test_a_storage_without_a_disk_is_cleared_too(monkeypatch):
    storage = InMemoryStorage()
    monkeypatch.setattr(Recording.audio.field, "storage", storage)
    a_recording().store_audio([wav()])
    storage.save(f"recordings/{RECORDING_SID}-0123abcd.wav", ContentFile(wav()))

    tomorrow = timezone.now() + timedelta(days=1)

    assert cleanup.delete_recordings(tomorrow) == 1
    assert storage.exists(Recording.objects.get().audio.name)


@pytest.fixture
def temporary(settings, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    return folder


def test_temporary_file_of_a_killed_download_is_deleted_after_a_day(temporary):
    code = (
        "import os, signal\n"
        "from django.conf import settings\n"
        f"settings.configure(FILE_UPLOAD_TEMP_DIR={str(temporary)!r})\n"
        "from caller.recordings import audio\n"
        "def chunks():\n"
        "    yield b'RIFF'\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "with audio.checked_file(chunks(), None): pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = temporary.iterdir()
    others = temporary / "tmp123.upload.jpg"
    others.touch()
    grown_old(others)

    too_early = cleanup.delete_temporary(yesterday())
    grown_old(left)
    in_time = cleanup.delete_temporary(yesterday())

    assert done.returncode == -signal.SIGKILL
    assert (too_early, in_time) == (0, 1)
    assert list(temporary.iterdir()) == [others]


def test_worker_deletes_replaced_and_temporary_files(temporary, media, killed):
    left = temporary / "tmp1.upload.djtranscribe-audio"
    left.touch()
    grown_old(left)

    for prune in maintenance.PRUNING:
        prune()

    assert not left.exists()
    assert killed not in files(media)
