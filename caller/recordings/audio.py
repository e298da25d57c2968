"""Audio files: recognise the format, and stream large files in small chunks."""

import codecs
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import IO, Any

import requests
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db.models.fields.files import FieldFile

from djtranscribe.vendors.deadlines import LimitedAdapter, chunks

# Read files in chunks of this size. With larger chunks, a slow upload would call
# keep_alive (see Heartbeat) too rarely.
CHUNK_BYTES = 64 * 1024
KEEP_ALIVE_BYTES = 1024 * 1024
KEEP_ALIVE_SECONDS = 1
TIMEOUT_SECONDS = (5, 30)  # (connect, read)
# Suffix of temporary files. caller.recordings.cleanup finds old ones by this suffix.
TEMPORARY = ".djtranscribe-audio"

# Signatures of audio formats: suffix, offset, bytes. The first match wins.
BEGINNINGS = [
    (".wav", 8, b"WAVE"),
    (".aiff", 8, b"AIFF"),
    (".aiff", 8, b"AIFC"),
    (".mp3", 0, b"ID3"),
    # MPEG 1, 2 and 2.5, layer III, each with and without a checksum.
    *((".mp3", 0, b"\xff" + bytes([byte])) for byte in b"\xfb\xfa\xf3\xf2\xe3\xe2"),
    # MPEG 1 and 2, layer II.
    *((".mp2", 0, b"\xff" + bytes([byte])) for byte in b"\xfd\xfc\xf5\xf4"),
    *((".aac", 0, b"\xff" + bytes([byte])) for byte in b"\xf1\xf0\xf9\xf8"),
    (".ogg", 0, b"OggS"),
    (".flac", 0, b"fLaC"),
    (".3gp", 4, b"ftyp3gp"),
    (".3g2", 4, b"ftyp3g2"),
    (".m4a", 4, b"ftyp"),
    (".awb", 0, b"#!AMR-WB"),
    (".amr", 0, b"#!AMR"),
    (".webm", 0, b"\x1a\x45\xdf\xa3"),
    (".wma", 0, bytes.fromhex("3026b2758e66cf11")),
    (".au", 0, b".snd"),
]
# First bytes of images, documents, archives and programs. Such files are not audio.
OTHER_FILES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"%PDF", b"PK\x03\x04", b"\x1f\x8b"),
    *(b"\x7fELF", b"SQLite format 3\0"),
)
# Suffix for formats that we do not know. AssemblyAI may know them.
UNKNOWN = ".audio"
# Read this much of a file to find out whether it is a text.
HEAD_BYTES = 512
# Python's mimetypes depends on files of the machine, so we use our own table.
CONTENT_TYPES = {
    ".wav": "audio/wav",
    ".aiff": "audio/aiff",
    ".aif": "audio/aiff",
    ".mp3": "audio/mpeg",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".3gp": "audio/3gpp",
    ".3g2": "audio/3gpp2",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".amr": "audio/amr",
    ".awb": "audio/amr-wb",
    ".webm": "audio/webm",
    ".wma": "audio/x-ms-wma",
    ".mp2": "audio/mpeg",
    ".au": "audio/basic",
}


class NotAudio(Exception):
    """We got no complete audio file. The message says why."""


class Heartbeat:
    """Call keep_alive after every megabyte, or after a second if that is earlier.

    keep_alive renews the lease of the worker.
    """

    def __init__(self, keep_alive: Callable[[], None]) -> None:
        self.keep_alive = keep_alive
        self.unreported = 0
        self.reported_at = time.monotonic()

    def passed(self, size: int) -> None:
        self.unreported += size
        now = time.monotonic()
        is_long = now - self.reported_at >= KEEP_ALIVE_SECONDS
        if self.unreported >= KEEP_ALIVE_BYTES or is_long:
            self.unreported, self.reported_at = 0, now
            self.keep_alive()


def received(
    chunks: Iterable[bytes], keep_alive: Callable[[], None]
) -> Iterator[bytes]:
    """Yield the chunks, and call keep_alive while they arrive, see Heartbeat."""
    heartbeat = Heartbeat(keep_alive)
    for chunk in chunks:
        yield chunk
        heartbeat.passed(len(chunk))


def downloaded(url: str) -> Iterator[bytes]:
    """Download a URL that an operator gave on the command line. Yield chunks.

    Never pass a URL from a request: the URL could lead to an internal host. Raises
    NotAudio if the download fails.
    """
    try:
        with requests.Session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, LimitedAdapter(sum(TIMEOUT_SECONDS)))
            with session.get(url, stream=True, timeout=TIMEOUT_SECONDS) as answer:
                answer.raise_for_status()
                yield from chunks(answer)
    except (requests.RequestException, ValueError) as error:
        raise NotAudio(
            f"it could not be downloaded ({type(error).__name__})."
        ) from error


class UploadStream:
    """A file to upload to a vendor. Reading it calls keep_alive, see Heartbeat."""

    def __init__(self, file: Any, keep_alive: Callable[[], None]) -> None:
        self.file = file
        self.heartbeat = Heartbeat(keep_alive)

    def __len__(self) -> int:
        return int(self.file.size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(CHUNK_BYTES), b"")

    def read(self, size: int = -1) -> bytes:
        data = bytes(self.file.read(size))
        self.heartbeat.passed(len(data))
        return data


@contextmanager
def checked_file(
    chunks: Iterable[bytes], expected_bytes: int | None
) -> Iterator[tuple[TemporaryUploadedFile, str]]:
    """Write the chunks to a temporary file. Yield the file and its SHA-256.

    Raises NotAudio if the file is empty, incomplete or certainly not audio. A complete
    file has `expected_bytes` bytes. If that number is None (unknown), any size is
    accepted. The size in a WAV header is not checked: this size is often wrong, and
    every player ignores it.
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
        if is_other_file(file):
            raise NotAudio("it is not an audio file.")
        file.seek(0)
        yield file, digest.hexdigest()


class Watched(File):  # type: ignore[type-arg]
    """A file that calls keep_alive while it is read, see Heartbeat."""

    def __init__(self, file: Any, keep_alive: Callable[[], None]) -> None:
        super().__init__(file)
        self.source = file
        self.heartbeat = Heartbeat(keep_alive)

    def read(self, *size: int) -> Any:
        data = self.source.read(*size)
        self.heartbeat.passed(len(data))
        return data


def is_away(file: FieldFile) -> bool:
    """Return whether the file's folder is missing. Then a disk may not be mounted."""
    try:
        path = Path(file.path)
    except NotImplementedError:
        # The storage is on another machine and has no folders.
        return False
    return not path.parent.is_dir()


def kept_whole(
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
    # On our own disk, the temporary file is moved, not read, so Watched is not needed.
    is_local = isinstance(storage, FileSystemStorage)
    try:
        return storage.save(name, file if is_local else Watched(file, keep_alive))
    except BaseException:
        with suppress(OSError):
            storage.delete(name)
        raise


def suffix(file: IO[bytes] | Any) -> str:
    """Recognise the format by the first bytes. Return `.wav` or another suffix.

    Return UNKNOWN for other formats.
    """
    file.seek(0)
    head = file.read(16)
    for ending, offset, beginning in BEGINNINGS:
        if head[offset:].startswith(beginning):
            return ending
    return UNKNOWN


def is_other_file(file: IO[bytes] | Any) -> bool:
    """Return whether a file is certainly not audio, but a text, a picture or the like.

    Unknown formats are accepted, because AssemblyAI knows more formats than we do.
    """
    if suffix(file) != UNKNOWN:
        return False
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head.startswith(OTHER_FILES):
        return True
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if head.startswith(mark):
            return True
    try:
        # `head` may end within a character. An incremental decoder accepts that.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def content_type(name: str) -> str:
    """Return the media type for the suffix of a file name."""
    ending = PurePosixPath(name).suffix.lower()
    return CONTENT_TYPES.get(ending, "application/octet-stream")
