"""Stream large audio files in small chunks: download, check, store and upload."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any

import requests
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db.models.fields.files import FieldFile

from caller.recordings.formats import HEAD_BYTES, is_other_file
from djtranscribe.vendors.deadlines import LimitedSession, chunks

CHUNK_BYTES = 64 * 1024
KEEP_ALIVE_BYTES = 1024 * 1024
KEEP_ALIVE_SECONDS = 1
TIMEOUT_SECONDS = (5, 30)  # (connect, read)
# Suffix of temporary files. recordings/cleanup.py finds old files by this suffix.
TEMPORARY = ".djtranscribe-audio"


class NotAudio(Exception):
    """We got no complete audio file. The message says why."""


class Heartbeat:
    """Call keep_alive regularly while audio is downloaded or uploaded.

    `count` adds up the bytes. It calls keep_alive after a megabyte or after a second,
    whichever is first. In a worker, keep_alive renews the lease of the transcript.
    If the lease ended, another worker would take over the transcript.
    """

    def __init__(self, keep_alive: Callable[[], None]) -> None:
        self.keep_alive = keep_alive
        self.unreported = 0
        self.reported_at = time.monotonic()

    def count(self, size: int) -> None:
        self.unreported += size
        now = time.monotonic()
        is_long = now - self.reported_at >= KEEP_ALIVE_SECONDS
        if self.unreported >= KEEP_ALIVE_BYTES or is_long:
            self.unreported, self.reported_at = 0, now
            self.keep_alive()


def with_heartbeat(
    chunks: Iterable[bytes], keep_alive: Callable[[], None]
) -> Iterator[bytes]:
    """Yield the chunks, and call keep_alive while they arrive, see Heartbeat."""
    heartbeat = Heartbeat(keep_alive)
    for chunk in chunks:
        yield chunk
        heartbeat.count(len(chunk))


def download(url: str) -> Iterator[bytes]:
    """Download a URL that an operator gave on the command line. Yield chunks.

    Never pass a URL from a request: the URL could lead to an internal host. Raises
    NotAudio if the download fails.
    """
    try:
        with (
            LimitedSession(sum(TIMEOUT_SECONDS)) as session,
            session.get(url, stream=True, timeout=TIMEOUT_SECONDS) as answer,
        ):
            answer.raise_for_status()
            yield from chunks(answer)
    except (requests.RequestException, ValueError) as error:
        raise NotAudio(
            f"it could not be downloaded ({type(error).__name__})."
        ) from error


class UploadStream(File):  # type: ignore[type-arg]
    """A file to upload. While it is read, it calls keep_alive, see Heartbeat."""

    def __init__(self, file: Any, keep_alive: Callable[[], None]) -> None:
        super().__init__(file)
        self.heartbeat = Heartbeat(keep_alive)

    def __bool__(self) -> bool:
        # A File without a name is false. Then `requests` would send no body.
        return len(self) > 0

    def read(self, size: int = -1) -> Any:
        data = super().read(size)
        self.heartbeat.count(len(data))
        return data


@contextmanager
def checked_file(
    chunks: Iterable[bytes], expected_bytes: int | None
) -> Iterator[tuple[TemporaryUploadedFile, str]]:
    """Write the chunks to a temporary file. Yield the file and its SHA-256.

    expected_bytes: the size of the complete file, or None if the size is unknown.
    Raises NotAudio if the file is empty, incomplete or certainly not audio. The size in
    a WAV header is often wrong, so it is not checked.
    """
    digest = hashlib.sha256()
    with TemporaryUploadedFile(f"x{TEMPORARY}", None, None, None) as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        file.size = file.tell()
        if not file.size:
            raise NotAudio("the file is empty.")
        if expected_bytes is not None and file.size != expected_bytes:
            raise NotAudio(f"only {file.size} of {expected_bytes} bytes arrived.")
        file.seek(0)
        if is_other_file(file.read(HEAD_BYTES)):
            raise NotAudio("it is not an audio file.")
        file.seek(0)
        yield file, digest.hexdigest()


def is_folder_missing(file: FieldFile) -> bool:
    """Return whether the file's folder is missing, such as on an unmounted disk."""
    try:
        path = Path(file.path)
    except NotImplementedError:
        # The storage is on another machine and has no folders.
        return False
    return not path.parent.is_dir()


def save_with_unique_name(
    storage: Storage,
    name: str,
    file: TemporaryUploadedFile,
    keep_alive: Callable[[], None],
) -> str:
    """Save the file as `name`, with a random part before the suffix. Return the name.

    Without the random part, two workers that store the same recording could overwrite
    or delete each other's file. After an error, the partial file is deleted. Raises
    OSError if the storage cannot save the file.
    """
    path = PurePosixPath(name)
    name = str(path.with_name(f"{path.stem}-{token_hex(4)}{path.suffix}"))
    # FileSystemStorage saves the file so fast that keep_alive is not needed.
    is_local = isinstance(storage, FileSystemStorage)
    try:
        return storage.save(name, file if is_local else UploadStream(file, keep_alive))
    except BaseException:
        with suppress(OSError):
            storage.delete(name)
        raise
