"""The complete environment of every process that these tests start."""

import os
from pathlib import Path
from secrets import token_hex
from typing import NoReturn

import pytest
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT_SID = "AC" + "c4a05000" * 4
AUTH_TOKEN = "chaos-token"
PHONE_NUMBER = "+14155550100"
KEY = "chaos-key"

ENVIRON = {
    # A developer's .env must not change the tests, so set all of its names to "".
    **dict.fromkeys(dotenv_values(ROOT / ".env"), ""),
    "PATH": os.environ["PATH"],
    "PYTHONUNBUFFERED": "1",
    "DEBUG": "true",
    # The queue's name depends on this key. Each test process needs its own queue.
    "SECRET_KEY": token_hex(),
    "BASE_URL": "http://127.0.0.1:1",
    "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "TWILIO_PHONE_NUMBER": PHONE_NUMBER,
    "ASSEMBLYAI_KEY": KEY,
    "LEASE_SECONDS": "60",
    "RECOVER_SECONDS": "12",
}
# .ci/break sets this variable to the URL of a message broker, or to "".
if BROKER := os.environ.get("CHAOS_BROKER", ""):
    ENVIRON["TASK_BROKER_URL"] = BROKER


def skip_or_fail_in_ci(what: str) -> NoReturn:
    """Skip the test. In CI, fail it instead, because every test must run there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
