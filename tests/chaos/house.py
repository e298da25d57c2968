"""Run the product for a test: a web server and workers as real processes.

`House` starts and stops them. It also acts as an operator in a browser, and checks
rows, files and logs.
"""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import jiwer
import requests

from tests.chaos.databases import Database
from tests.chaos.environment import AUTH_TOKEN, ENVIRON, KEY, ROOT
from tests.chaos.proxy import Proxy
from tests.chaos.vendors import AssemblyAI, Twilio
from tests.chaos.waiting import free_port, is_open, until, until_started

WORD_ERROR_RATE = 0.25  # limit for the stand-in's recogniser, not for AssemblyAI
# Headers that a browser sends if a person typed the URL. Without them, GET /dial/…/
# does not dial.
TYPED = {
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}
TRANSCRIPTS = """
    SELECT transcript.*, recording.sid AS recording_sid, recording.audio,
           recording.sha256, recording.error AS recording_error
    FROM transcription_transcript AS transcript
    JOIN caller_recording AS recording ON transcript.recording_id = recording.id
    JOIN caller_call AS call ON recording.call_id = call.id
    WHERE call.other_number = %s ORDER BY transcript.id
"""
# Area codes for `new_number`. Each number with a `fate` gets a new one.
AREAS = (
    *(205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224),
    *(225, 228, 229, 231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262),
    *(267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309, 310, 312),
    *(313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330, 334, 336, 337),
)

_last_four = count(1100)
_area = count()

as_spoken = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces()]
)


def new_number(fate: str = "") -> str:
    """Return a number that no other test calls.

    fate: the last four digits decide how the call ends, see sandbox.twilio.fates.
    """
    if fate:
        return f"+1{AREAS[next(_area)]}555{fate}"
    return f"+1415555{next(_last_four)}"


@dataclass
class Process:
    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> float:
        """Kill the process and its children. Return the time (time.monotonic)."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        return time.monotonic()


class House:
    def __init__(
        self,
        folder: Path,
        database: Database,
        twilio: Twilio,
        assemblyai: AssemblyAI,
        **settings: str,
    ) -> None:
        self.folder, self.database = folder, database
        self.twilio, self.assemblyai = twilio, assemblyai
        self.to_twilio, self.to_assemblyai = Proxy(twilio.url), Proxy(assemblyai.url)
        self.port = free_port()
        self.site = f"http://127.0.0.1:{self.port}"
        self.media = folder / "media"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.processes: list[Process] = []
        self.logs: list[Path] = []
        self.web: Process | None = None
        self.dialled: list[str] = []
        self.environ = {
            **ENVIRON,
            "TMPDIR": str(self.temporary),
            "BASE_URL": self.site,
            "DATABASE_URL": database.url,
            "MEDIA_ROOT": str(self.media),
            "TWILIO_API_URL": self.to_twilio.url,
            "ASSEMBLYAI_API_URL": self.to_assemblyai.url,
            **settings,
        }
        self.session = self._browser()

    def _browser(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.cookies.set("sessionid", self.database.session)
        return session

    # Processes

    def start(self, name: str, *command: str, environ: Any = None) -> Process:
        log = self.folder / f"{name}-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as out:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def start_web(self, environ: Any = None) -> Process:
        command = [sys.executable, "-m", "gunicorn", "djtranscribe.wsgi"]
        command += ["--bind", f"127.0.0.1:{self.port}", "--threads", "16"]
        self.web = self.start("web", *command, environ=environ)
        until_started(
            "the web server listens", self.web.popen, lambda: is_open(self.port)
        )
        return self.web

    def start_worker(self, threads: int = 4, environ: Any = None) -> Process:
        return self.until_ready(self.launch_worker(threads, environ))

    def launch_worker(self, threads: int = 4, environ: Any = None) -> Process:
        command = [sys.executable, "manage.py", "worker", "--concurrency", str(threads)]
        return self.start("worker", *command, environ=environ)

    def until_ready(self, worker: Process) -> Process:
        until_started(
            "the worker is ready",
            worker.popen,
            lambda: "ready" in worker.log.read_text(),
        )
        return worker

    def manage(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            check=False,
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for proxy in (self.to_twilio, self.to_assemblyai):
            with suppress(OSError):
                proxy.unplug()

    # An operator

    def type_address_of(self, number: str, **query: str) -> requests.Response:
        self.dialled.append(number)
        address = f"{self.site}/dial/{number[1:]}/"
        return self.session.get(address, params=query, headers=TYPED, timeout=120)

    def dial(self, number: str) -> str:
        """Dial, and return the path of the call's page."""
        answer = self.type_address_of(number)
        assert "/calls/" in answer.url, (answer.url, answer.text[-2000:])
        return answer.url.removeprefix(self.site)

    def page(self, path: str) -> str:
        """Return the text that an operator reads on this page, without HTML tags."""
        answer = self.session.get(self.site + path, timeout=120)
        text = re.sub(r"<(script|style).*?</\1>", " ", answer.text, flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", text).split())

    def page_of(self, number: str) -> str:
        """Return the text of the page of this number's call."""
        return self.page(f"/calls/{UUID(str(self.call(number)['uuid']))}/")

    def health(self) -> requests.Response:
        """Request /healthz without a login, as a monitoring service does."""
        with requests.Session() as monitor:
            monitor.trust_env = False
            return monitor.get(f"{self.site}/healthz", timeout=120)

    # Rows

    def call(self, number: str) -> dict[str, Any]:
        query = "SELECT * FROM caller_call WHERE other_number = %s ORDER BY id DESC"
        calls = self.database.rows(query, number)
        return calls[0] if calls else {}

    def transcripts(self, number: str) -> list[dict[str, Any]]:
        return self.database.rows(TRANSCRIPTS, number)

    def status(self, number: str) -> str:
        found = self.transcripts(number)
        return found[0]["status"] if found else ""

    def attempts(self, number: str) -> int:
        """Return how often the current step of this call's transcript has failed."""
        found = self.transcripts(number)
        return found[0]["attempts"] if found else 0

    def set_next_attempt(self, *numbers: str, at: datetime) -> None:
        """Set the time at which the transcripts of these calls are due."""
        for number in numbers:
            self.database.execute(
                "UPDATE transcription_transcript SET next_attempt_at = %s "
                "WHERE id = %s",
                str(at),
                self.transcripts(number)[0]["id"],
            )

    def completed(self, number: str, seconds: float = 300) -> dict[str, Any]:
        """Wait until the transcript of this number's call is completed. Return it."""

        def is_completed() -> bool:
            status = self.status(number)
            assert status != "error", f"the transcript of {number} has failed"
            return status == "completed"

        try:
            until(f"the transcript of {number} is completed", is_completed, seconds)
        except AssertionError as late:
            seen = self.transcripts(number) or self.call(number)
            raise AssertionError(f"{late}; the row: {seen}") from None
        return self.transcripts(number)[0]

    # Checks

    def word_error_rate(self, number: str) -> float:
        """Return the word error rate of the transcript, compared to what was said."""
        (transcript,) = self.transcripts(number)
        said = self.twilio.said_to(number)
        return jiwer.wer(as_spoken(said), as_spoken(transcript["text"]))

    def assert_right(self, *numbers: str, jobs: int = 1) -> None:
        """Check for each number: one call, one transcript, and complete audio.

        The text must match the spoken words. jobs: the number of jobs that AssemblyAI
        must have for each call.
        """
        for number in numbers:
            (transcript,) = self.transcripts(number)
            assert transcript["status"] == "completed", transcript
            rate = self.word_error_rate(number)
            assert rate <= WORD_ERROR_RATE, (number, rate, transcript["text"])
            assert len(self.twilio.posts_to(number)) == 1
            mine = self.assemblyai.jobs_of(transcript)
            assert len(mine) == jobs, (number, mine)
            audio = (self.media / transcript["audio"]).read_bytes()
            assert hashlib.sha256(audio).hexdigest() == transcript["sha256"]
            assert audio == self.twilio.audio(transcript["recording_sid"])
        self.assert_no_half_file()

    def assert_no_half_file(self) -> None:
        rows = self.database.rows(
            "SELECT audio FROM caller_recording WHERE audio <> ''"
        )
        files = [path for path in self.media.rglob("*") if path.is_file()]
        assert sorted(str(path.relative_to(self.media)) for path in files) == sorted(
            row["audio"] for row in rows
        )

    def assert_logs_keep_secrets(self) -> None:
        """Check that our logs contain no phone number, spoken text, key or token.

        Call it after stop(), because running processes write more.
        """
        secrets = {KEY, AUTH_TOKEN, self.database.session}
        for post in self.assemblyai.requests("POST /v2/transcript$"):
            secrets.add((post["body"] or {}).get("webhook_auth_header_value"))
        for number in self.dialled:
            secrets.add((self.twilio.call_to(number) or {}).get("said"))
        secrets |= {job["text"] for job in self.assemblyai.jobs()}
        patterns = [re.escape(secret) for secret in secrets if secret]
        # Find a number in any format: +14155551100, (415) 555-1100.
        patterns += [
            rf"{number[2:5]}\D{{0,2}}{number[5:8]}\D?{number[8:]}"
            for number in self.dialled
        ]
        told = re.compile("|".join(patterns), re.IGNORECASE)
        for log in self.logs:
            for line in log.read_text(errors="replace").splitlines():
                assert not told.search(line), (log.name, line)
