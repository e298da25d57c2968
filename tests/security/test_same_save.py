"""If two requests save the same unique value, one wins. The other gets a form error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.chaos.databases import SERVER
from tests.chaos.environment import not_to_be_had

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
        yield run(f"sqlite:///{tmp_path_factory.mktemp('saves')}/db.sqlite3")
        return
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        not_to_be_had(f"no PostgreSQL answers: {error}")
    name = f"saves_{os.getpid()}"
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield run(f"{SERVER.rsplit('/', 1)[0]}/{name}")
    finally:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))
        connection.close()


@pytest.mark.parametrize("form", FORMS)
def test_second_of_two_identical_saves_gets_an_error(saves, form):
    found = saves[form]
    errors = [said for _, said in found["answers"] if said]

    assert all(status in (200, 302) for status, _ in found["answers"]), found
    assert len(errors) == 1, found
    assert "already" in errors[0]
    assert found["rows"] == 1
