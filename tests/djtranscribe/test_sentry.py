"""No personal data reaches Sentry. A local HTTP server stands in for Sentry."""

import gzip
import json

from tests.chaos.waiting import free_port
from tests.live.receiver import receiver
from tests.processes import environment, manage, shell

FAIL = """
import logging
import sentry_sdk
from django.contrib.auth.models import User
from django.test import Client
from caller import dial_views

def broken(*args, **kwargs):
    words = "What she said about zolpidem"
    raise ValueError(words)

dial_views.refused_number = broken
client = Client(raise_request_exception=False, headers={"X-Other": "s3cret"})
client.force_login(User.objects.create_superuser("grace-hopper"))
print(client.get("/dial/+14155559371x/?token=s3cret", secure=True).status_code)
logging.getLogger("caller").error("call=%s at /dial/14155559371/", "1111-uuid")
sentry_sdk.flush(10)
"""


def events(body: bytes) -> list[dict]:
    """Return the events of a Sentry envelope, without its header lines."""
    text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    lines = [json.loads(line) for line in text.splitlines() if line]
    return [line for line in lines if "level" in line]


def test_error_is_reported_with_its_place_but_no_personal_data(tmp_path, migrated):
    port = free_port()
    environ = environment(
        tmp_path,
        SENTRY_DSN=f"http://public@127.0.0.1:{port}/1",
        ALLOWED_HOSTS="testserver",
    )
    with receiver(port) as received:
        said = shell(environ, FAIL)

    assert said == "500\n"
    raised, logged = [event for _, body in received for event in events(body)]
    # Take the last of two exceptions: the view caught the first, then `broken` raised.
    error = raised["exception"]["values"][-1]
    assert error["type"] == "ValueError"
    assert error["stacktrace"]["frames"][-1]["function"] == "broken"
    assert logged["logentry"] == {"message": "call=1111-uuid at /dial/…"}
    sent = json.dumps([raised, logged])
    for secret in ("14155559371", "zolpidem", "s3cret", "grace-hopper", "sessionid"):
        assert secret not in sent


def test_a_wrong_address_is_reported_by_a_check(tmp_path):
    done = manage(environment(tmp_path, SENTRY_DSN="foo"), "check", check=False)

    assert done.returncode == 1
    assert "SENTRY_DSN is not the address" in done.stderr
    assert "Traceback" not in done.stderr
