"""Send callbacks in order, or lose, double, reverse, delay or hold them on demand."""

import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

MODES = ("normal", "lost", "doubled", "reversed", "delayed", "held")
Job = Callable[[], None]


class Postman:
    """Send callbacks in lanes. A lane is one call or one job.

    The callbacks of a lane are sent one after another. Lanes do not wait for each
    other. Each attempt is logged in ``deliveries``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[str, deque[Job]] = {}
        self._held: dict[str, list[Job]] = defaultdict(list)
        self._timers: dict[str, threading.Timer] = {}
        self._unsent: list[tuple[str, Job]] = []
        self.settings: dict[str, Any] = {}
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=50_000)
        self.configure({"mode": "normal"})

    def configure(self, settings: dict[str, Any]) -> None:
        """Replace the settings. Raises ValueError if one is invalid.

        - ``mode``: one of MODES
        - ``seconds``: for the modes delayed and reversed
        - ``match``: a regex. Callbacks to other URLs are sent normally.
        - ``retry_seconds``: AssemblyAI's wait between attempts (None: the default)
        """
        unknown = set(settings) - {"mode", "seconds", "match", "retry_seconds"}
        if unknown:
            raise ValueError(f"unknown setting: {', '.join(sorted(unknown))}")
        if settings.get("mode", "normal") not in MODES:
            raise ValueError(f"mode is one of: {', '.join(MODES)}")
        try:
            re.compile(settings.get("match") or "")
        except re.error as error:
            raise ValueError(f"match is not a regular expression: {error}") from error
        times = {
            name: float(settings[name])
            for name in ("seconds", "retry_seconds")
            if settings.get(name) is not None
        }
        if not all(0 <= seconds <= 3600 for seconds in times.values()):
            raise ValueError("seconds and retry_seconds are from 0 to 3600")
        self.settings = {
            "mode": settings.get("mode", "normal"),
            "seconds": 2.0,
            "match": settings.get("match") or "",
            "retry_seconds": None,
            **times,
        }

    def post(self, lane: str, url: str, params: dict[str, Any], job: Job) -> None:
        """Queue a callback. ``job`` must send it and call note() for each attempt."""
        mode, seconds = self.settings["mode"], self.settings["seconds"]
        if not re.search(self.settings["match"], url):
            mode = "normal"
        if mode == "lost":
            self.note(url, params, 0, error="lost on purpose")
        elif mode == "doubled":
            self._enqueue(lane, job)
            self._enqueue(lane, job)
        elif mode == "delayed":
            self._later(seconds, lambda: self._enqueue(lane, job))
        elif mode == "reversed":
            self._hold(lane, job, seconds)
        elif mode == "held":
            with self._lock:
                self._unsent.append((lane, job))
        else:
            self._enqueue(lane, job)

    def release(self) -> None:
        """Send all callbacks of the mode "held", even if the mode has changed since."""
        with self._lock:
            unsent, self._unsent = self._unsent, []
        for lane, job in unsent:
            self._enqueue(lane, job)

    def note(
        self,
        url: str,
        params: dict[str, Any],
        attempt: int,
        status: int | None = None,
        error: str | None = None,
    ) -> None:
        self.deliveries.append(
            {
                "at": datetime.now(timezone.utc).isoformat(),
                "url": url,
                "params": params,
                "attempt": attempt,
                "status": status,
                "error": error,
            }
        )

    def _enqueue(self, lane: str, job: Job) -> None:
        with self._lock:
            if lane in self._lanes:
                self._lanes[lane].append(job)
                return
            self._lanes[lane] = deque([job])
        threading.Thread(target=self._work, args=(lane,), daemon=True).start()

    def _work(self, lane: str) -> None:
        while True:
            with self._lock:
                if not self._lanes[lane]:
                    del self._lanes[lane]
                    return
                job = self._lanes[lane].popleft()
            job()

    def _hold(self, lane: str, job: Job, seconds: float) -> None:
        """Hold the callbacks of a lane until no new one comes for ``seconds``.

        Then send them, newest first.
        """
        with self._lock:
            self._held[lane].append(job)
            if lane in self._timers:
                self._timers[lane].cancel()
            self._timers[lane] = self._later(seconds, lambda: self._release(lane))

    def _release(self, lane: str) -> None:
        with self._lock:
            jobs = self._held.pop(lane, [])
        for job in reversed(jobs):
            self._enqueue(lane, job)

    def _later(self, seconds: float, action: Job) -> threading.Timer:
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        timer.start()
        return timer
