"""Run a complete installation on this machine, without accounts at the vendors.

The command starts stand-ins for Twilio and AssemblyAI, the web server and the worker.
The web server and the worker run as usual. The settings TWILIO_API_URL and
ASSEMBLYAI_API_URL make them send their requests to the stand-ins.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from dotenv import dotenv_values

OPERATOR, PASSWORD = "operator", "sandbox"
START_SECONDS = 120
STOP_SECONDS = 15
ACCOUNT_SID = "AC" + "5a4db0c5" * 4
API_KEY = "SK" + "5a4db0c5" * 4
PHONE_NUMBER = "+14155550100"


class Command(BaseCommand):
    help = (
        "Try everything on this machine, offline and without an account. Starts "
        "stand-ins for Twilio and AssemblyAI, the web server and the worker, with a "
        "separate database and an operator account. Ctrl-C stops everything."
    )
    # Do not check the settings of this process: the child processes get settings of
    # their own, see `environment`.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port",
            type=int,
            default=8000,
            help="port of the web server (default: %(default)s)",
        )
        parser.add_argument(
            "--twilio-port",
            type=int,
            default=8001,
            help="port of the Twilio stand-in (default: %(default)s)",
        )
        parser.add_argument(
            "--assemblyai-port",
            type=int,
            default=8002,
            help="port of the AssemblyAI stand-in (default: %(default)s)",
        )
        parser.add_argument(
            "--pace",
            type=float,
            default=1.0,
            help="duration of calls: 1 is real time, 0.1 is ten times faster "
            "(default: %(default)s)",
        )
        parser.add_argument(
            "--directory",
            type=Path,
            default=settings.BASE_DIR / "var" / "sandbox",
            help="where to store database, recordings and logs (default: %(default)s)",
        )
        parser.add_argument(
            "--fresh", action="store_true", help="delete the sandbox directory first"
        )

    def handle(self, **options: Any) -> None:
        if not find_spec("pocketsphinx"):
            raise CommandError(
                "PocketSphinx, the sandbox speech recognition, is not installed. "
                f"Run {sys.executable} -m pip install -r sandbox/requirements.txt"
            )
        for option in ("port", "twilio_port", "assemblyai_port"):
            ensure_free(options[option], "--" + option.replace("_", "-"))
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, stop)
        directory = options["directory"].resolve()
        if options["fresh"]:
            shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, exist_ok=True)
        processes = Processes(directory, environment(directory, options))
        try:
            self.start(processes, options)
            self.print_addresses(options, directory)
            processes.wait()
        except SystemExit:
            # Print here, not in the signal handler `stop`: a signal may arrive while
            # something else is printed.
            self.say("\nStopping.")
            raise
        finally:
            processes.stop()

    def start(self, processes: "Processes", options: dict[str, Any]) -> None:
        is_new = not (processes.directory / "db.sqlite3").exists()
        pace = ["--pace", str(options["pace"]), "--exit-with-parent"]
        twilio_port, assemblyai_port = (
            str(options[name]) for name in ("twilio_port", "assemblyai_port")
        )
        self.say("Starting the stand-ins for Twilio and AssemblyAI")
        processes.start("twilio", "-m", "sandbox.twilio", "--port", twilio_port, *pace)
        processes.start(
            "assemblyai", "-m", "sandbox.assemblyai", "--port", assemblyai_port, *pace
        )
        # Do not wait for the stand-ins yet: they load voices and language models.
        self.say("Preparing the database")
        processes.run("migrate", "manage.py", "migrate")
        if is_new:
            processes.run("loaddata", "manage.py", "loaddata", "sandbox/operator.json")
        self.say("Starting the web server and the worker")
        address = f"127.0.0.1:{options['port']}"
        processes.start("web", "manage.py", "runserver", "--noreload", address)
        processes.start("worker", "manage.py", "worker")
        for name in ("port", "twilio_port", "assemblyai_port"):
            processes.wait_until_open(options[name])
        # Set the number's Voice URL, so that calls to the number reach the web server.
        processes.run("connect", "manage.py", "connect-number", "--yes")

    def print_addresses(self, options: dict[str, Any], directory: Path) -> None:
        site = f"http://localhost:{options['port']}"
        self.say(
            f"""
Ready. No real phone rings, and no data leaves this machine.

  Start here      {site}/dial/14155551234/
  Log in as       {OPERATOR}, password {PASSWORD}
  Transcripts     {site}/admin/

  Your phone      http://localhost:{options["twilio_port"]}/phone/  (answer and speak)
  Twilio          http://localhost:{options["twilio_port"]}/  (lists numbers to try)
  AssemblyAI      http://localhost:{options["assemblyai_port"]}/
  Logs            {directory}

Ctrl-C stops everything."""
        )

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class Processes:
    """The processes of the sandbox. Each one has its own log file."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self.directory = directory
        self.environ = environ
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str, *command: str) -> None:
        """Run a command until it exits. On failure, raise CommandError with its log."""
        self.start(name, *command)
        if self.running.pop(name).wait() != 0:
            raise CommandError(f"{name} failed:\n{self.end_of_log(name)}")

    def start(self, name: str, *command: str) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, *command],
                cwd=settings.BASE_DIR,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C must only reach the parent process, which then stops this one.
                start_new_session=True,
            )

    def wait_until_open(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_open(port):
            self.check_running()
            if time.monotonic() > deadline:
                raise CommandError(
                    f"Nothing answers on port {port} after {START_SECONDS} s. "
                    f"See the logs in {self.directory}."
                )
            time.sleep(0.1)

    def wait(self) -> None:
        while True:
            self.check_running()
            time.sleep(0.5)

    def check_running(self) -> None:
        """Raise CommandError if a process has exited."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise CommandError(
                    f"{name} stopped unexpectedly (exit status {process.returncode}):\n"
                    f"{self.end_of_log(name)}"
                )

    def end_of_log(self, name: str) -> str:
        lines = (
            (self.directory / f"{name}.log").read_text(errors="replace").splitlines()
        )
        return "\n".join(f"  {line}" for line in lines[-15:])

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        killer = threading.Timer(STOP_SECONDS, self.kill)
        killer.start()
        for process in self.running.values():
            process.wait()
        killer.cancel()

    def kill(self) -> None:
        for process in self.running.values():
            process.kill()


def environment(directory: Path, options: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the child processes.

    The variables of .env are set to "" or to a value below. So settings.py does not
    load their values from .env.
    """
    site = f"http://localhost:{options['port']}"
    return {
        **os.environ,
        **dict.fromkeys(dotenv_values(settings.BASE_DIR / ".env"), ""),
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "true",
        "BASE_URL": site,
        "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
        "MEDIA_ROOT": str(directory / "media"),
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": "sandbox",
        "TWILIO_API_KEY": API_KEY,
        "TWILIO_API_SECRET": "sandbox-secret",
        "TWILIO_PHONE_NUMBER": PHONE_NUMBER,
        # Allow many calls to the same number while somebody tries things out.
        "MAX_CALLS_PER_NUMBER_DAY": "1000",
        "TWILIO_API_URL": f"http://127.0.0.1:{options['twilio_port']}",
        # Keep all traffic on this machine.
        "TWILIO_REGION": "",
        "TWILIO_EDGE": "",
        "NOTIFY_URL": "",
        "NOTIFY_EMAIL": "",
        "EMAIL_URL": "",
        "TASK_BROKER_URL": "",
        "S3_BUCKET": "",
        "SENTRY_DSN": "",
        "OTLP_ENDPOINT": "",
        "OIDC_URL": "",
        "ASSEMBLYAI_KEY": "sandbox",
        "ASSEMBLYAI_API_URL": f"http://127.0.0.1:{options['assemblyai_port']}",
    }


def ensure_free(port: int, option: str) -> None:
    """Raise CommandError if the port cannot be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {port} is in use or not allowed. Choose another one, for "
                f"example {option} {port + 100}."
            ) from error


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
