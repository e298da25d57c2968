"""Files that a killed process left behind, which no row names and nobody would find."""

import re
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from django.conf import settings

from caller.models import Recording
from caller.recordings import audio

FOLDER = "recordings"
# Of whose recording it is, as audio.kept_whole names it, and as files were named once.
NAME = re.compile(r"(RE[0-9a-f]{32})(?:[-_][0-9A-Za-z]+)?\.[0-9a-z]+", re.ASCII)
AT_ONCE = 500


def delete_recordings(older_than: datetime) -> int:
    """Delete each file whose recording has another one there; how many.

    No others: to a database that was restored from last week, or that is another one,
    every recording since is a file that no row names.
    """
    storage = Recording.audio.field.storage
    deleted = 0
    # Not every storage can tell what it has, or since when.
    with suppress(FileNotFoundError, NotImplementedError):
        _, names = storage.listdir(FOLDER)
        there = {f"{FOLDER}/{name}" for name in names}
        found = [match for match in map(NAME.fullmatch, names) if match]
        for begin in range(0, len(found), AT_ONCE):
            some = found[begin : begin + AT_ONCE]
            # Read after the list: what was stored meanwhile is not in the list.
            rows = Recording.objects.filter(sid__in=[match[1] for match in some])
            kept = dict(rows.exclude(audio="").values_list("sid", "audio"))
            for match in some:
                path = f"{FOLDER}/{match[0]}"
                other = kept.get(match[1], path)
                if other == path or other not in there:
                    continue
                if storage.get_modified_time(path) < older_than:
                    storage.delete(path)
                    deleted += 1
    return deleted


def delete_temporary(older_than: datetime) -> int:
    """Delete downloads that were never finished; how many."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
    deleted = 0
    for path in folder.glob(f"*{audio.TEMPORARY}"):
        # Another worker may be at it, or it is another user's.
        with suppress(OSError):
            if path.lstat().st_mtime < older_than.timestamp():
                path.unlink()
                deleted += 1
    return deleted
