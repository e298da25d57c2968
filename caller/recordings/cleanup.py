"""Clean up after killed processes: unneeded files and unfinished recordings.

Files that the storage could not delete earlier are also deleted.
"""

import re
import tempfile
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from django.conf import settings

from caller.models import Recording, Tombstone
from caller.recordings import audio
from djtranscribe.database import release_connection

FOLDER = "recordings"
# The file name of a recording from Twilio, such as RE…-1a2b3c4d.wav: the SID and a
# random part. Older versions of this product used another random part or none.
NAME = re.compile(r"(RE[0-9a-f]{32})(?:[-_][0-9A-Za-z]+)?\.[0-9a-z]+", re.ASCII)
BATCH_SIZE = 500
INTERRUPTED = "The command was killed before it started the transcript. Run it again."


def delete_recordings(older_than: datetime) -> int:
    """Delete unneeded audio files of Twilio's recordings. Return how many.

    A file is deleted if it is older than `older_than`, and one of these is true:
    - The recording's row refers to another file, which exists.
    - Retention has deleted the audio.
    - The recording was deleted on this site, so it has a tombstone.

    Other files without a row are kept. Perhaps the database was restored from a backup
    that is older than the files.
    """
    storage = Recording.audio.field.storage
    deleted = 0
    # FileNotFoundError: there is no folder. NotImplementedError: the storage cannot
    # list files or tell their age.
    with suppress(FileNotFoundError, NotImplementedError):
        _, names = storage.listdir(FOLDER)
        # There may be a million names, so read the rows of one batch at a time.
        matches = filter(None, map(NAME.fullmatch, names))
        while batch := list(islice(matches, BATCH_SIZE)):
            sids = {match[1] for match in batch}
            rows = Recording.objects.filter(sid__in=sids)
            columns = rows.values_list("sid", "audio", "audio_deleted_at")
            stored = {sid: (name, deleted_at) for sid, name, deleted_at in columns}
            tombstones = Tombstone.objects.sids(sids - stored.keys())
            release_connection()
            for match in batch:
                path = f"{FOLDER}/{match[0]}"
                current, audio_deleted_at = stored.get(match[1], ("", None))
                is_of_deleted = audio_deleted_at or match[1] in tombstones
                is_other = current not in ("", path)
                if not (is_of_deleted or (is_other and storage.exists(current))):
                    continue
                if storage.get_modified_time(path) < older_than:
                    storage.delete(path)
                    deleted += 1
    return deleted


def delete_all_of(sids: Collection[str]) -> None:
    """Delete every file of these recordings, even if no row refers to it.

    Delete nothing if the storage cannot list its files. Raises OSError, for example a
    FileNotFoundError if nothing was stored yet, or if the storage is not mounted.
    """
    if not sids:
        return
    storage = Recording.audio.field.storage
    with suppress(NotImplementedError):
        for name in storage.listdir(FOLDER)[1]:
            match = NAME.fullmatch(name)
            if match and match[1] in sids:
                storage.delete(f"{FOLDER}/{name}")


def delete_temporary(older_than: datetime) -> int:
    """Delete temporary files of downloads that never finished. Return how many."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
    deleted = 0
    for path in folder.glob(f"*{audio.TEMPORARY}"):
        # Another worker may have deleted the file, or another user of this machine
        # may own the file.
        with suppress(OSError):
            if path.lstat().st_mtime < older_than.timestamp():
                path.unlink()
                deleted += 1
    return deleted


def fail_interrupted(older_than: datetime) -> int:
    """Mark old recordings as FAILED if a command did not finish them. Return how many.

    Probably the command (`transcribe` or `evaluate`) was killed. If the command still
    runs, it sets the status again after it has stored the audio.
    older_than: change only recordings that were created before this time.
    """
    # Leave out recordings with a SID: they are from Twilio, which reports their status.
    left = Recording.objects.filter(
        sid=None, status=Recording.Status.IN_PROGRESS, created_at__lt=older_than
    )
    return left.update(status=Recording.Status.FAILED, error=INTERRUPTED)
