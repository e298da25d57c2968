"""The account, its uploads and its jobs, in memory.

Uploaded audio is in a temporary folder.
"""

import shutil
import tempfile
import threading
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

# Models that the real service has refused since September 2026.
RETIRED_MODELS = frozenset({"universal-3-pro"})


def now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class Job:
    request: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "queued"
    created: datetime = field(default_factory=now)
    completed: datetime | None = None
    error: str | None = None
    text: str | None = None
    words: list[dict[str, Any]] | None = None
    seconds: float | None = None
    channels: int = 1
    webhook_status_code: int | None = None
    deleted: bool = False
    warnings: list[str] = field(default_factory=list)


class Account:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.uploads: dict[str, Path] = {}
        self.first_key = self.key = self.base_url = ""
        self.balance_negative = False
        self.retired_models: Collection[str] = RETIRED_MODELS
        self.pace = 1.0
        # Each of the next jobs fails with one of these errors, in this order.
        self.next_errors: list[str] = []
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-assemblyai-"))

    def newest_first(self) -> list[Job]:
        with self.lock:
            return list(reversed(self.jobs.values()))

    def forget_uploads(self) -> None:
        """Delete all uploads, as the real service does after a day."""
        with self.lock:
            for path in self.uploads.values():
                path.unlink(missing_ok=True)
            self.uploads.clear()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


account = Account()
