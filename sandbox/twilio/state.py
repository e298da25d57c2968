"""Calls and recordings, in memory. ``network.lock`` guards every change."""

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


def now() -> datetime:
    return datetime.now(timezone.utc)


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


@dataclass
class Recording:
    sid: str
    call_sid: str
    status: str = "in-progress"
    source: str = "RecordVerb"
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    duration: int | None = None
    error_code: int | None = None
    priced: bool = False
    # What to render: clip, seconds of silence after it, seconds at most.
    sound: tuple[str | None, float, float] = (None, 0.0, 0.0)


@dataclass
class Call:
    sid: str
    to: str
    from_: str
    options: dict[str, Any]  # the request's form, name: value or list
    fate: str | None
    clip: str | None
    said: str | None
    status: str = "queued"
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    started: datetime | None = None
    answered: datetime | None = None
    ended: datetime | None = None
    price: str | None = None
    answered_by: str | None = None
    sequence: int = 0
    timeline: list[dict[str, Any]] = field(default_factory=list)
    unknown_verbs: list[str] = field(default_factory=list)
    # Set when somebody ends the call: the callee hangs up, or the API says so.
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def duration(self) -> int | None:
        """Seconds talked, for a completed call."""
        if self.status != "completed" or not self.answered or not self.ended:
            return None
        return max(1, round((self.ended - self.answered).total_seconds()))

    def note(self, what: str, *, error: int | None = None) -> None:
        """A line for the stand-in's page; ``error`` is Twilio's code."""
        self.timeline.append({"at": now().isoformat(), "what": what, "error": error})


class Network:
    """The account and all that belongs to it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: dict[str, Call] = {}
        self.recordings: dict[str, Recording] = {}
        self.account_sid = self.auth_token = self.phone_number = self.base_url = ""
        self.api_key = self.api_secret = ""
        # standard, restricted (no recordings), test, or deleted. A key of another
        # region looks like a deleted one.
        self.api_key_kind = "standard"
        self.phone_number_sid = new_sid("PN")
        self.pace = 1.0
        self.created = now()

    def set_status(self, call: Call, status: str) -> bool:
        """Forward only: a finished call stays what it is. False if it was finished."""
        with self.lock:
            if call.status in FINAL:
                return False
            call.status, call.updated = status, now()
            if status == "ringing":
                call.started = call.updated
            elif status == "in-progress":
                call.answered = call.updated
            elif status in FINAL:
                call.ended = call.updated
            call.note(status)
            return True

    def recordings_of(self, call_sid: str) -> list[Recording]:
        return [r for r in self.recordings.values() if r.call_sid == call_sid]


network = Network()


class CallOver(Exception):
    """The call is over: somebody hung up, or the API ended it."""


def wait(call: Call, seconds: float) -> None:
    """Let time pass in the call, as --pace says; CallOver if it ends meanwhile."""
    if call.over.wait(seconds * network.pace):
        raise CallOver
