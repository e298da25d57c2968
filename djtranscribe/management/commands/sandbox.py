"""Run a complete installation on this machine, without accounts at the vendors.

The command starts stand-ins for Twilio and AssemblyAI, the web server and the worker.
The web server and the worker send their requests to the stand-ins, because of the
settings TWILIO_API_URL and ASSEMBLYAI_API_URL.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from dotenv import dotenv_values

from djtranscribe.management.processes import Processes, ensure_free

OPERATOR, PASSWORD = "operator", "sandbox"
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
                "PocketSphinx, the sandbox's speech recognition, is not installed. "
                f"Run {sys.executable} -m pip install -r sandbox/requirements.txt"
            )
        if not 0 <= options["pace"] <= 100:
            raise CommandError("--pace must be from 0 to 100.")
        for option in ("port", "twilio_port", "assemblyai_port"):
            ensure_free(options[option], "--" + option.replace("_", "-"))
        on_signals(stop)
        directory = options["directory"].resolve()
        if options["fresh"]:
            shutil.rmtree(directory, ignore_errors=True)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"--directory cannot be used: {error}") from error
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
            on_signals(signal.SIG_IGN)
            processes.stop()

    def start(self, processes: Processes, options: dict[str, Any]) -> None:
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
        # The stand-ins start while we prepare the database. We wait for them below.
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


def on_signals(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handler)


def stop(signum: int, frame: FrameType | None) -> None:
    # A second Ctrl-C must not interrupt the end of the child processes.
    on_signals(signal.SIG_IGN)
    raise SystemExit(0)
