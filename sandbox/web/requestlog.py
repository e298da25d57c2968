"""Log of every request outside /_sandbox/, for GET /_sandbox/requests."""

import hashlib
import itertools
import json
import threading
from collections import deque
from datetime import datetime, timezone
from email.message import Message
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

# Keep this many entries: enough for a load test of 5,000 calls.
KEEP = 50_000
# Keep only the size and the hash of a body with more bytes than this.
TEXT_LIMIT = 1_000_000


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEEP)
        self._numbers = itertools.count(1)

    def add(
        self, method: str, target: str, headers: Message, body: BinaryIO | None
    ) -> dict[str, Any]:
        """Add a request that has arrived. The calling code sets ``status`` later.

        ``query`` is {name: [values]}. ``body``:
        - a form: {name: [values]}
        - JSON: as parsed
        - empty or not read: None
        - anything else: {"size", "sha256"}
        """
        url = urlsplit(target)
        entry = {
            "n": next(self._numbers),
            "at": datetime.now(timezone.utc).isoformat(),
            "method": method,
            "path": url.path,
            "query": parse_qs(url.query, keep_blank_values=True),
            "headers": _headers(headers),
            "body": _body(headers, body) if body else None,
            "status": None,
            "fault": None,
        }
        with self._lock:
            self._entries.append(entry)
        return entry

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(entry) for entry in self._entries]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def _headers(headers: Message) -> dict[str, str]:
    kept = dict(headers.items())
    for name in kept:
        if name.lower() == "authorization":
            kept[name] = "present"
    if not any(name.lower() == "authorization" for name in kept):
        kept["Authorization"] = "absent"
    return kept


def _body(headers: Message, body: BinaryIO) -> Any:
    """Return the body, or its size and hash, as `add` stores it. Rewind the file."""
    body.seek(0)
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    digest, size, text = hashlib.sha256(), 0, b""
    while chunk := body.read(65536):
        digest.update(chunk)
        size += len(chunk)
        if size <= TEXT_LIMIT:
            text += chunk
    body.seek(0)
    if size == 0:
        return None
    if size <= TEXT_LIMIT:
        try:
            if kind == "application/x-www-form-urlencoded":
                return parse_qs(text.decode(), keep_blank_values=True)
            if kind == "application/json":
                return json.loads(text)
        except ValueError:
            pass
    return {"size": size, "sha256": digest.hexdigest()}
