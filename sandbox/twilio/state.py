"""Calls and recordings, in memory. Hold ``network.lock`` to add or remove one."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from sandbox.twilio import audio
from sandbox.twilio.people import Person

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
    channels: int = 1
    # The sound of each channel (see audio.render), and the length in seconds.
    tracks: list[audio.Track] = field(default_factory=lambda: [[]])
    seconds: float = 0.0


@dataclass
class Call:
    sid: str
    to: str
    from_: str
    options: dict[str, Any]  # the request's form: {name: value or list}
    person: Person
    direction: str = "outbound-api"
    # For a call that <Dial> has placed: the call that ran <Dial>.
    parent_sid: str | None = None
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
    # Set when the call ends, because the person hangs up or the API ends the call.
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def duration(self) -> int | None:
        """Seconds from answer to end. None if the call is not completed."""
        if self.status != "completed" or not self.answered or not self.ended:
            return None
        return max(1, round((self.ended - self.answered).total_seconds()))

    @property
    def number(self) -> str:
        """The number of the person at this phone, in calls of both directions."""
        return self.from_ if self.direction == "inbound" else self.to

    def wait(self, seconds: float) -> None:
        """Wait, scaled by --pace. Raises CallOver if the call ends meanwhile."""
        if self.over.wait(seconds * network.pace):
            raise CallOver

    def wait_or_hang_up(self, seconds: float) -> float:
        """Wait until the call ends, at most `seconds` (scaled by --pace).

        Return how many of the `seconds` have passed.
        """
        started = time.monotonic()
        if not self.over.wait(seconds * network.pace):
            return seconds
        return min(seconds, (time.monotonic() - started) / (network.pace or 1))

    def hang_up(self, why: str) -> None:
        """Let the person hang up. Raises CallOver."""
        self.note(why)
        self.over.set()
        raise CallOver

    def note(self, what: str, *, error: int | None = None) -> None:
        """Add a line to the call's timeline. ``error`` is Twilio's error code."""
        self.timeline.append({"at": now().isoformat(), "what": what, "error": error})


class Network:
    """The account, its number and key, and its calls and recordings."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: dict[str, Call] = {}
        self.recordings: dict[str, Recording] = {}
        self.account_sid = self.auth_token = self.phone_number = self.base_url = ""
        self.api_key = self.api_secret = ""
        # One of page.KEY_KINDS. A restricted key cannot read recordings. A test key can
        # only dial. A deleted key cannot log in.
        self.api_key_kind = "standard"
        self.phone_number_sid = new_sid("PN")
        # The webhooks for calls to our number.
        self.voice_url = self.status_callback = ""
        self.pace = 1.0
        self.created = now()

    def set_status(self, call: Call, status: str) -> bool:
        """Change the status. Return False if the call has already ended."""
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
    """The call has ended: somebody hung up, or the API ended it."""
