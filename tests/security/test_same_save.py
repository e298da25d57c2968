"""If two requests save the same unique value, one wins. The other gets a form error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgresql import new_database
from tests.tables import new_sqlite

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FORMS = [
    "new tokens",
    "new keyword lists",
    "numbers not to call",
    "new groups",
    "new accounts",
    "renamed keyword lists",
    "renamed groups",
    "corrected numbers",
    "renamed accounts",
    "default list",
]


def run(url):
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.same_save"],
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = map(json.loads, done.stdout.splitlines())
    return {result.pop("save"): result for result in results}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def saves(request, tmp_path_factory):
    if request.param == "sqlite":
        file = new_sqlite(tmp_path_factory.mktemp("saves") / "db.sqlite3")
        yield run(f"sqlite:///{file}")
        return
    with new_database("saves") as url:
        yield run(url)


@pytest.mark.parametrize("form", FORMS)
def test_second_of_two_identical_saves_gets_an_error(saves, form):
    found = saves[form]
    errors = [said for _, said in found["answers"] if said]

    assert all(status in (200, 302) for status, _ in found["answers"]), found
    assert len(errors) == 1, found
    assert "already" in errors[0]
    assert found["rows"] == 1
