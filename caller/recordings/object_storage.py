"""Storage for audio in S3 or a compatible store, used if S3_BUCKET is set.

When a player seeks, this storage reads only the needed part of the file. Errors are
raised as OSError, as with a disk.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError

NOT_FOUND = "404"
BUFFER_BYTES = 256 * 1024
CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "max_attempts": 3},
)


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Raise FileNotFoundError for a missing object, and OSError for other errors."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in (NOT_FOUND, "NoSuchKey"):
            raise FileNotFoundError(2, "The object store has no such file") from error
        raise OSError(5, f"The object store refuses: {code}") from error
    except (BotoCoreError, HTTPError) as error:
        name = type(error).__name__
        raise OSError(5, f"The object store does not answer ({name})") from error


class ObjectReader(io.RawIOBase):
    """A seekable reader of one object.

    The length is requested at once. The content is requested only when it is read.
    """

    def __init__(self, target: Any) -> None:
        self.target = target
        self.position = 0
        # Set `body` first: if the next lines raise, Python still calls close(), which
        # reads `body`.
        self.body: Any = None
        with as_os_errors():
            self.length: int = target.content_length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.length}
        position = max(0, base[whence] + offset)
        if position != self.position:
            self._drop_body()
            self.position = position
        return position

    def readinto(self, buffer: Any) -> int:
        if self.position >= self.length or not len(buffer):
            return 0
        with as_os_errors():
            if self.body is None:
                answer = self.target.get(Range=f"bytes={self.position}-")
                self.body = answer["Body"]
            data = self.body.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)

    def close(self) -> None:
        self._drop_body()
        super().close()

    def _drop_body(self) -> None:
        if self.body is not None:
            self.body.close()
            self.body = None


class ObjectStorage(S3Storage):  # type: ignore[misc]
    def __init__(self, **options: Any) -> None:
        super().__init__(
            # Read the file in this thread. audio.UploadStream.read calls keep_alive,
            # which uses the database connection of this thread.
            transfer_config=TransferConfig(use_threads=False),
            client_config=CONFIG,
            file_overwrite=False,
            **options,
        )

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        key = self._normalize_name(name)
        reader = ObjectReader(self.bucket.Object(key))
        return File(io.BufferedReader(reader, BUFFER_BYTES), name)

    def _save(self, name: str, content: File[bytes]) -> str:
        with as_os_errors():
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        with as_os_errors():
            super().delete(name)

    def exists(self, name: str) -> bool:
        with as_os_errors():
            return bool(super().exists(name))

    def size(self, name: str) -> int:
        with as_os_errors():
            return int(super().size(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with as_os_errors():
            directories, files = super().listdir(path)
            return directories, files

    def get_modified_time(self, name: str) -> datetime:
        with as_os_errors():
            at: datetime = super().get_modified_time(name)
            return at
