"""The two stand-ins as processes: start them, control them, ask what they received."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from sandbox.twilio import audio
from tests.chaos.environment import ACCOUNT_SID, AUTH_TOKEN, ENVIRON, KEY, ROOT
from tests.chaos.waiting import until, until_started

# SANDBOX_CACHE (optional): a folder where all stand-ins for AssemblyAI share results.
SHARED = {name: os.environ[name] for name in {"SANDBOX_CACHE"} & os.environ.keys()}


class StandIn:
    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def control(self, method: str, what: str, **options: Any) -> Any:
        url = f"{self.url}/_sandbox/{what}"
        answer = self.session.request(method, url, timeout=120, **options)
        answer.raise_for_status()
        return answer.json()

    def fault(self, request: str, times: int | None = 1, **do: Any) -> None:
        """Break the next `times` requests of this kind. None: break all of them.

        Example: fault("POST /v2/upload", status=503)
        """
        method, path = request.split(" ", 1)
        rule = {"method": method, "path": path, "times": times, "do": do}
        self.control("POST", "faults", json=rule)

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def webhooks(self, mode: str, **settings: Any) -> None:
        # Wait one second between retries. With --pace 0 there would be no wait.
        settings = {"retry_seconds": 1, **settings}
        self.control("POST", "webhooks", json={"mode": mode, **settings})

    def release(self) -> None:
        """Send the webhooks that the mode "held" has kept back."""
        self.control("DELETE", "webhooks")

    def hits(self) -> int:
        """Return how many requests the current faults have broken."""
        return sum(rule["hits"] for rule in self.control("GET", "faults"))

    def requests(self, request: str) -> list[dict[str, Any]]:
        """Return the received requests of this kind, oldest first.

        Example: requests("GET /v2/transcript$")
        """
        method, path = request.split(" ", 1)
        return [
            each
            for each in self.control("GET", "requests")
            if each["method"] == method and re.search(path, each["path"])
        ]

    def deliveries(self) -> list[dict[str, Any]]:
        return self.control("GET", "deliveries")

    def forget(self) -> None:
        """Reset faults, webhooks and logs. Calls and jobs remain."""
        self.clear_faults()
        self.webhooks("normal")
        self.control("DELETE", "requests")
        self.control("DELETE", "deliveries")


class Twilio(StandIn):
    def call_to(self, number: str) -> dict[str, Any] | None:
        calls = self.control("GET", "calls")
        return next((call for call in calls if call["to"] == number), None)

    def said_to(self, number: str) -> str:
        call = self.call_to(number)
        assert call, f"Twilio's stand-in was never asked to call {number}"
        return call["said"]

    def posts_to(self, number: str) -> list[dict[str, Any]]:
        """Return the requests to dial this number. Skip those without a body."""
        posts = self.requests("POST /Calls.json$")
        return [post for post in posts if number in (post["body"] or {}).get("To", [])]

    def audio(self, recording_sid: str) -> bytes:
        url = f"{self.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Recordings/{recording_sid}"
        login = (ACCOUNT_SID, AUTH_TOKEN)
        answer = self.session.get(f"{url}.wav", auth=login, timeout=120)
        answer.raise_for_status()
        return answer.content


class AssemblyAI(StandIn):
    def jobs(self) -> list[dict[str, Any]]:
        return self.control("GET", "jobs")

    def jobs_of(self, transcript: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the jobs with the transcript's UUID in the URL of their webhook."""
        uuid = str(UUID(str(transcript["uuid"])))
        return [job for job in self.jobs() if uuid in (job["webhook_url"] or "")]

    def posts_of(self, audio_url: str) -> list[dict[str, Any]]:
        """Return the POST requests that asked for a job with this audio."""
        posts = self.requests("POST /v2/transcript$")
        return [
            post for post in posts if (post["body"] or {}).get("audio_url") == audio_url
        ]

    def next_error(self, reason: str, times: int = 1) -> None:
        body = {"error": reason, "times": times}
        self.control("POST", "next-error", json=body)

    def account(self, **settings: Any) -> None:
        self.control("POST", "account", json=settings)

    def forget(self) -> None:
        super().forget()
        self.control("DELETE", "next-error")
        self.account(key=None, balance_negative=False, retired_models=None)

    def warm_up(self) -> None:
        """Recognise every clip once, so that the same audio later takes no time."""
        login = {"Authorization": KEY}
        names = audio.clip_names()
        # xdist processes share their results through SANDBOX_CACHE. Each process begins
        # with another clip, to avoid double work.
        lane = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        first = 3 * int(lane) % len(names)
        for clip in [*names[first:], *names[:first]]:
            # Twilio's stand-in records the clip, then a second of silence.
            speech = audio.speech_seconds(clip)
            wav = audio.render([[(0.0, audio.spoken(clip))]], speech + 1, channels=1)
            upload = self.session.post(
                f"{self.url}/v2/upload", data=wav, headers=login, timeout=120
            )
            body = {
                "audio_url": upload.json()["upload_url"],
                "speech_models": ["universal-2"],
                "language_code": "en_us",
            }
            job = self.session.post(
                f"{self.url}/v2/transcript", json=body, headers=login, timeout=120
            )
            job.raise_for_status()
        until(
            "every clip is recognised",
            lambda: {job["status"] for job in self.jobs()} == {"completed"},
            1800,
        )


@contextmanager
def running(folder: Path, name: str, pace: float = 0) -> Iterator[str]:
    """Run a stand-in, and yield its URL."""
    log = folder / f"{name}.log"
    command = [sys.executable, "-u", "-m", f"sandbox.{name}", "--port", "0"]
    command += ["--pace", str(pace), "--exit-with-parent"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=ENVIRON | SHARED,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        found = until_started(
            f"{name} is ready",
            process,
            lambda: re.search(r"ready on (http://[\d.]+:\d+)/", log.read_text()),
        )
        yield found.group(1)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
