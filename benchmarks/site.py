"""Run the product for a benchmark: a new database, processes and fake vendors."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import NoReturn, TypeAlias

import psycopg
from psycopg import sql

from tests.chaos.waiting import is_open
from tests.postgresql import SERVER, url_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ACCOUNT_SID = "AC" + "10ad7e57" * 4
# New PostgreSQL databases are copies of this one. A database with all tables saves the
# time of the migrations.
TEMPLATE = os.environ.get("BENCHMARK_TEMPLATE", "template1")
TOKEN = "load-test"
NUMBER = "+14155550100"

Process: TypeAlias = "subprocess.Popen[bytes]"

# Code that creates {calls} calls, in the state after /dial/: queued at Twilio.
MAKE_CALLS = """
from uuid import UUID
from caller.models import Call
Call.objects.bulk_create(
    Call(
        uuid=UUID(int=number),
        sid=f"CA{{number:032x}}",
        other_number=f"+1415{{number:07}}",
        our_number="+14155550100",
        status="queued",
    )
    for number in range(1, {calls} + 1)
)
"""


@contextmanager
def a_database(kind: str = "postgresql", keep: str = "") -> Iterator[str]:
    """Yield the URL of a new, empty database: postgresql or sqlite.

    keep: the name of a PostgreSQL database. It is created if needed, and not dropped.
    """
    # On SIGTERM, exit in the normal way, so that the database is dropped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            yield f"sqlite:///{folder}/db.sqlite3"
        return
    name = keep or f"benchmark_{token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as admin:
        identifier, template = sql.Identifier(name), sql.Identifier(TEMPLATE)
        found = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if not found.fetchone():
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            admin.execute(create.format(identifier, template))
        try:
            yield url_of(name)
        finally:
            if not keep:
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier)
                admin.execute(drop)


@contextmanager
def django_on(url: str) -> Iterator[None]:
    """Create all tables. Let this process use the product's models on this database."""
    os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    yield
    # Disconnect, because the database is dropped next.
    connection.close()


class Processes:
    """The processes of one benchmark. Each writes a log into `folder`."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.environ, self.folder = environ, folder
        self.all: list[Process] = []

    def start(self, *command: str) -> Process:
        with (self.folder / f"{len(self.all)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.all.append(process)
        return process

    def run(self, *command: str) -> None:
        if self.start(*command).wait() != 0:
            raise SystemExit((self.folder / f"{len(self.all) - 1}.log").read_text())

    def shell(self, code: str) -> None:
        self.run("manage.py", "shell", "--no-imports", "--command", code)

    def serve(self, application: str, port: int, *options: str) -> Process:
        """Start gunicorn, wait until it answers, and return its process."""
        bind = f"127.0.0.1:{port}"
        process = self.start("-m", "gunicorn", application, "--bind", bind, *options)
        while not is_open(port):
            if process.poll() is not None:
                raise SystemExit((self.folder / f"{len(self.all) - 1}.log").read_text())
            time.sleep(0.05)
        return process

    def logs(self) -> str:
        return "".join(log.read_text() for log in self.folder.glob("*.log"))

    def until_printed(self, process: Process, text: str) -> None:
        log = self.folder / f"{self.all.index(process)}.log"
        while text not in log.read_text():
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.05)

    @staticmethod
    def kill(process: Process) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for process in self.all:
            self.kill(process)


def fail(message: str) -> NoReturn:
    """Exit with 2, because the product did something wrong. 1 is for missed goals."""
    print(message, file=sys.stderr)
    sys.exit(2)


@contextmanager
def processes(environ: dict[str, str]) -> Iterator[Processes]:
    """Yield a `Processes` object with a new folder. At the end, kill its processes."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        started = Processes(
            environ | {"MEDIA_ROOT": str(Path(folder) / "media")}, Path(folder)
        )
        try:
            yield started
        finally:
            started.kill_all()


@contextmanager
def fake_vendors(*options: str) -> Iterator[int]:
    """Start benchmarks/fake_vendors.py and yield its port."""
    vendors = subprocess.Popen(
        [sys.executable, str(HERE / "fake_vendors.py"), *options],
        stdout=subprocess.PIPE,
    )
    assert vendors.stdout
    try:
        yield int(vendors.stdout.readline())
    finally:
        vendors.kill()
        vendors.wait()


def environment(
    url: str, base_url: str, vendors_port: int | None = None
) -> dict[str, str]:
    """Return the product's environment. With vendors_port, it uses the fake vendors."""
    environ = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": token_hex(32),
        "DATABASE_URL": url,
        "BASE_URL": base_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_PHONE_NUMBER": NUMBER,
        "ASSEMBLYAI_KEY": TOKEN,
    }
    if vendors_port:
        vendors = f"http://127.0.0.1:{vendors_port}"
        environ |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "TWILIO_API_URL": vendors,
            "ASSEMBLYAI_API_URL": vendors,
        }
    return environ


def cpu_seconds(root: int) -> float:
    """Return the CPU time of a process and of the processes that it has started.

    man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            parent, session = int(fields[1]), int(fields[3])
            if root in {int(stat.parent.name), parent, session}:
                # Add utime, stime, and those of the children that have ended.
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def postgresql_pid() -> int | None:
    """Return the process ID of PostgreSQL, or None if it is on another machine."""
    with psycopg.connect(SERVER, autocommit=True) as admin:
        (backend,) = admin.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        with suppress(OSError):
            fields = Path(f"/proc/{backend}/stat").read_text().split()
            return int(fields[3]) if fields[1] == "(postgres)" else None
    return None
