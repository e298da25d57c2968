"""Each benchmark runs without an error, with tiny sizes. Its numbers do not matter."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from benchmarks.all import RUNS
from tests.postgresql import new_database
from tests.processes import manage

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = {
    "all": "--help",
    "lists": "60 --times 1 --list recordings",
    "search": "300 --searches 1",
    "load_webhooks": "--calls 4 --seconds 1",
    "memory": "--megabytes 4 --at-once 2 --rounds 1 --idle 0",
    "sizes": "100",
    "transcript_page": "--minutes 24 --times 1 --presses 2",
    "webhooks": "--seconds 1 --rounds 1 --groups 2 --database postgresql",
    "worker": "--idle 1 --calls 3 --messages 4 --vendor-seconds 0.2 --database sqlite",
}
# Modules that the benchmarks share.
PARTS = {"__init__", "fake_vendors", "peer", "settings", "site"}

pytestmark = pytest.mark.slow


def test_every_benchmark_script_is_listed():
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}

    assert scripts - PARTS == set(BENCHMARKS)
    assert RUNS.keys() | {"all"} == set(BENCHMARKS)


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    """An environment in which every new PostgreSQL database has all tables."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    with new_database("benchmark") as url:
        settings = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        manage(environ | settings, "migrate", "--verbosity", "0")
        yield environ | {"BENCHMARK_TEMPLATE": url.rsplit("/", 1)[1]}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_prints_numbers(name, environ):
    if name == "webhooks" and not which("wrk"):
        pytest.skip("no wrk on this machine")

    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *BENCHMARKS[name].split()],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )

    # Status 1: the benchmark missed its goal, for example on a busy machine.
    # Status 2: the product did something wrong.
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert any(character.isdigit() for character in done.stdout)
