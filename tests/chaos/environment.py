"""What every process of these tests has as its environment, and nothing else."""

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
    # A developer's own .env would fill in what is missing here.
    **dict.fromkeys(dotenv_values(ROOT / ".env"), ""),
    "PATH": os.environ["PATH"],
    "PYTHONUNBUFFERED": "1",
    "DEBUG": "true",
    # Of this process, so that its queue at a broker is its own.
    "SECRET_KEY": token_hex(),
    "BASE_URL": "http://127.0.0.1:1",
    "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "TWILIO_PHONE_NUMBER": PHONE_NUMBER,
    "ASSEMBLYAI_KEY": KEY,
    "SWEEP_SECONDS": "1",
    "LEASE_SECONDS": "60",
    "RECOVER_SECONDS": "12",
}
# The broker that carries the messages of all these tests, if .ci/break names one.
if BROKER := os.environ.get("CHAOS_BROKER", ""):
    ENVIRON["TASK_BROKER_URL"] = BROKER


def not_to_be_had(what: str) -> NoReturn:
    """Skips, but not in CI: what was not broken there has not been shown to hold."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
