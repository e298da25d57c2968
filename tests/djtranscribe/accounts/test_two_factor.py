"""Two-factor login and single sign-on. They need their own settings and tables."""

import json
import os
import subprocess
import sys

import pytest

from djtranscribe import checks
from tests.djtranscribe.test_settings import ROOT

TESTS = "tests/djtranscribe/accounts/with_allauth.py"
SETTINGS = {
    "TWO_FACTOR": "optional",
    "OIDC_URL": "https://login.example.com",
    "OIDC_NAME": "Example",
    "OIDC_CLIENT_ID": "our-id",
    "OIDC_CLIENT_SECRET": "our-secret",
}


def test_with_two_factor_login_and_single_sign_on():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS],
        cwd=ROOT,
        env={
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTEST")
        }
        | {
            "TEST_SETTINGS": json.dumps(SETTINGS),
            "DATABASE_URL": "sqlite:///:memory:",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.parametrize(
    "missing",
    [
        {"OIDC_URL": "http://login.example.com"},
        {"OIDC_CLIENT_ID": ""},
        {"OIDC_CLIENT_SECRET": ""},
    ],
)
def test_incomplete_settings_of_the_provider_are_named(settings, missing):
    for name, value in (SETTINGS | missing).items():
        setattr(settings, name, value)

    (problem,) = checks.check_single_sign_on()

    assert next(iter(missing)) in problem.msg
