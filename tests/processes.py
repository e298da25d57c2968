"""Run manage.py and servers in separate processes with their own environment."""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.waiting import is_open, until
from tests.djtranscribe.test_settings import ALL, COMPLETE, ROOT


def measured() -> dict[str, str]:
    """Return what coverage.py needs in the environment, if it runs."""
    return {
        name: value for name, value in os.environ.items() if name.startswith("COVERAGE")
    }


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return complete settings, with the database and the recordings in the folder."""
    return {
        "PATH": os.environ["PATH"],
        **measured(),
        **ALL,
        **COMPLETE,
        "DJANGO_SETTINGS_MODULE": "djtranscribe.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "MEDIA_ROOT": str(folder / "media"),
        **more,
    }


def manage(
    environ: dict[str, str], *arguments: str, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environ,
        check=check,
        capture_output=True,
        text=True,
        timeout=240,
    )


def shell(environ: dict[str, str], code: str) -> str:
    """Run the code in Django's shell. Return what it printed."""
    return manage(environ, "shell", "--no-imports", "--command", code).stdout


@contextmanager
def serving(
    environ: dict[str, str], ports: Collection[int], *commands: Sequence[str]
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Start these servers, and wait until all ports are open. At the end, stop them."""
    with ExitStack() as stack:
        processes = []
        for command in commands:
            process = stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, env=environ)
            )
            stack.callback(process.terminate)
            processes.append(process)
        until("all ports are open", lambda: all(map(is_open, ports)), 60)
        yield processes
