"""Start the child processes of `manage.py sandbox`, watch them and stop them."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

START_SECONDS = 120
STOP_SECONDS = 15


class Processes:
    """The processes of the sandbox. Each one has its own log file."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self.directory = directory
        self.environ = environ
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str, *command: str) -> None:
        """Run a command until it exits. On failure, raise CommandError with its log."""
        self.start(name, *command)
        status = self.running[name].wait()
        # Do not remove the process earlier: `stop` ends the processes in `running`.
        del self.running[name]
        if status != 0:
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
                # Ctrl-C must reach only the parent process, which then calls `stop`.
                start_new_session=True,
            )

    def wait_until_open(self, port: int) -> None:
        """Wait until something listens on the port.

        Raises CommandError after START_SECONDS, or if a process exits.
        """
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
        """Wait until a process exits, then raise CommandError."""
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
        """Ask all processes to exit. Kill those that still run after STOP_SECONDS."""
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
