"""`migrate` alone upgrades a database of an earlier version."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.postgresql import new_database

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
DUMPS = ROOT / "tests" / "data" / "upgrade"
UUID = "11111111-2222-4333-8444-555555555555"
ROW = 70_001

# Open a row of every table as a superuser, and search for a spoken word.
LOOK = f"""
import json
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

# This exits with status 1 if a migration was not applied.
call_command("migrate", check_unapplied=True)
user = User.objects.create_superuser("root")
client = Client(headers={{"host": "localhost"}})
client.force_login(user)
pages = ["/", "/calls/{UUID}/", "/search/?q=cardiology"]
for model in admin.site._registry:
    table = f"/admin/{{model._meta.app_label}}/{{model._meta.model_name}}/"
    row = model._default_manager.order_by("pk").last()
    pages += [table] + ([f"{{table}}{{row.pk}}/change/"] if row else [])
answers = {{page: client.get(page) for page in pages}}
print(json.dumps({{
    "statuses": {{page: answer.status_code for page, answer in answers.items()}},
    "found": "/transcript/{ROW}/" in answers["/search/?q=cardiology"].text,
    "rows": {{
        model._meta.label: model._default_manager.count()
        for label in ("caller", "transcription", "djtranscribe")
        for model in apps.get_app_config(label).get_models()
    }},
}}))
"""


def manage(database_url, *arguments):
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        check=False,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_upgraded(database_url):
    manage(database_url, "migrate")

    seen = json.loads(manage(database_url, "shell", "-v0", "-c", LOOK).splitlines()[-1])
    assert set(seen["statuses"].values()) == {200}, seen["statuses"]
    assert seen["found"]
    rows = seen["rows"]
    assert rows["caller.Call"] == 13
    assert rows["caller.Recording"] == rows["transcription.Transcript"] == 10
    assert rows["djtranscribe.ApiToken"] == rows["transcription.Export"] == 1
    assert rows["djtranscribe.VendorPause"] == 1


def test_sqlite_database_is_upgraded(tmp_path):
    file = tmp_path / "db.sqlite3"
    file.write_bytes(gzip.decompress((DUMPS / "sqlite.db.gz").read_bytes()))

    assert_upgraded(f"sqlite:///{file}")


def test_postgresql_database_is_upgraded():
    with new_database("upgrade") as url:
        with psycopg.connect(url) as old:
            old.execute(gzip.decompress((DUMPS / "postgresql.sql.gz").read_bytes()))
        assert_upgraded(url)
