"""Errors at Sentry: an HTTP server that receives what its client sends."""

import gzip
import json
import os
import shutil
import subprocess
import sys

from tests.chaos.waiting import free_port
from tests.djtranscribe.test_settings import ALL, COMPLETE, ROOT
from tests.live.receiver import receiver
from tests.measured import measured

FAIL = """
import logging
import sentry_sdk
from django.contrib.auth.models import User
from django.test import Client
from caller import views

def broken(*args, **kwargs):
    words = "What she said about zolpidem"
    raise ValueError(words)

views.refused_number = broken
client = Client(raise_request_exception=False, headers={"X-Other": "s3cret"})
client.force_login(User.objects.create_superuser("grace-hopper"))
print(client.get("/dial/+14155559371x/?token=s3cret", secure=True).status_code)
logging.getLogger("caller").error("call=%s at /dial/14155559371/", "1111-uuid")
sentry_sdk.flush(10)
"""


def events(body: bytes) -> list[dict]:
    """The events of an envelope: lines of JSON, each after a line about it."""
    text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    lines = [json.loads(line) for line in text.splitlines() if line]
    return [line for line in lines if "level" in line]


def test_an_error_is_told_with_its_place_and_without_its_words(tmp_path, migrated):
    database = shutil.copy(migrated, tmp_path)
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        **measured(),
        **ALL,
        **COMPLETE,
        "DJANGO_SETTINGS_MODULE": "djtranscribe.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "SENTRY_DSN": f"http://public@127.0.0.1:{port}/1",
        "ALLOWED_HOSTS": "testserver",
    }
    with receiver(port) as received:
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "--command", FAIL],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    assert done.stdout == "500\n"
    raised, logged = [event for _, body in received for event in events(body)]
    # It was raised amid a refusal of the number.
    error = raised["exception"]["values"][-1]
    assert error["type"] == "ValueError"
    assert error["stacktrace"]["frames"][-1]["function"] == "broken"
    assert logged["logentry"] == {"message": "call=1111-uuid at /dial/…"}
    sent = json.dumps([raised, logged])
    for secret in ("14155559371", "zolpidem", "s3cret", "grace-hopper", "sessionid"):
        assert secret not in sent
