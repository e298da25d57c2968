"""The settings in different environments. Each environment has its own process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from djtranscribe.management.commands import sandbox
from tests.names import SETTINGS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
COMPLETE = {
    "SECRET_KEY": "tests-only-" + "0123456789abcdef" * 4,
    "BASE_URL": "https://djtranscribe.example.com",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_PHONE_NUMBER": "+14155550100",
    "ASSEMBLYAI_KEY": "key",
    "DATABASE_URL": "sqlite:///:memory:",
}
# Set every setting, at least to "". Missing settings would be read from .env.
ALL = dict.fromkeys(SETTINGS, "")


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    outside = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    chosen = {"DJANGO_SETTINGS_MODULE": "djtranscribe.settings", **ALL, **environment}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**outside, **chosen},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def values(*names: str, **environment: str) -> list:
    code = (
        "import json; from djtranscribe import settings; "
        f"print(json.dumps([getattr(settings, name) for name in {names}]))"
    )
    done = python("-c", code, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_complete_environment_passes_every_check():
    done = python("manage.py", "check", "--fail-level", "WARNING", **COMPLETE)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_empty_environment_reports_all_missing_settings():
    done = python("manage.py", "check")

    assert done.returncode == 1
    for missing in set(COMPLETE) - {"DATABASE_URL"}:
        assert missing in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["check"], ["migrate"], ["worker"]])
def test_without_a_secret_key_no_command_starts(command):
    done = python("manage.py", *command, **{**COMPLETE, "SECRET_KEY": ""})

    assert done.returncode == 1
    assert "djtranscribe.E001" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["SECRET_KEY", "TWILIO_AUTH_TOKEN"])
def test_a_web_server_does_not_start_with_what_would_accept_forgeries(missing):
    refused = python("-c", "import djtranscribe.wsgi", **{**COMPLETE, missing: ""})

    assert refused.returncode != 0
    assert missing in refused.stderr


def test_a_web_server_starts_with_a_complete_environment():
    started = python("-c", "import djtranscribe.wsgi", **COMPLETE)

    assert started.returncode == 0, started.stderr


def test_with_debug_on_a_key_for_development_is_made_up():
    [key] = values("SECRET_KEY", DEBUG="true")

    assert key.startswith("insecure")


def test_the_defaults_are_those_of_the_readme():
    found = values(
        *("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "TWILIO_API_URL"),
        *("ASSEMBLYAI_API_URL", "SPEECH_MODELS", "SPEECH_LANGUAGE_CODE"),
        *("AUDIO_DELIVERY", "RECOVER_SECONDS", "LEASE_SECONDS", "LANGUAGE_CODE"),
    )

    assert found == [
        *(False, "", ["localhost", "127.0.0.1"], "https://api.twilio.com"),
        *("https://api.assemblyai.com", ["assemblyai-stt-3-7", "universal-2"], "en_us"),
        *("upload", 90, 60, "en-us"),
    ]


def test_the_public_address_is_an_allowed_host_and_a_trusted_origin():
    found = values(
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        BASE_URL="https://x.ngrok.app",
        ALLOWED_HOSTS=" a.example , b.example,, ",
    )

    assert found == [
        ["a.example", "b.example", "x.ngrok.app"],
        ["https://x.ngrok.app"],
    ]


def test_lists_and_blanks_are_read_as_people_write_them():
    found = values(
        *("SPEECH_MODELS", "DIAL_COUNTRIES", "ASSEMBLYAI_KEY"),
        SPEECH_MODELS="universal-2, best ,",
        DIAL_COUNTRIES="us, Ca",
        ASSEMBLYAI_KEY=" key ",
    )

    assert found == [["universal-2", "best"], ["US", "CA"], "key"]


@pytest.mark.parametrize(
    "value", ["0", "-5", "1.5", "ten", "10s", "١٠", "0x10", "9" * 5000]
)
def test_invalid_number_of_seconds_is_refused_by_name(value):
    done = python("manage.py", "check", **{**COMPLETE, "LEASE_SECONDS": value})

    assert done.returncode == 1
    assert done.stderr.startswith("LEASE_SECONDS must be a whole number, 1 or more.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgres://user:s3cr/et@db.example.com/calls"),
        ("DATABASE_URL", "postgres://user:password@db.example.com:54x/calls"),
        ("DATABASE_URL", "oracle7://db.example.com/calls"),
        ("TASK_BROKER_URL", "amqp://user:s3cr/et@mq.example.com//"),
        ("TASK_BROKER_URL", "redis://mq.example.com:six/0"),
    ],
)
def test_an_invalid_url_is_refused_by_name_and_is_not_shown(name, url):
    done = python("manage.py", "check", **{**COMPLETE, name: url})
    with_traceback = python("-c", "import djtranscribe.settings", **{name: url})

    assert done.returncode == 1
    assert done.stderr.startswith(f"{name} must be a URL such as")
    assert "Traceback" not in done.stderr
    for shown in (done.stderr, with_traceback.stderr):
        assert "example.com" not in shown
        assert "s3cr" not in shown


def test_every_number_of_seconds_is_checked():
    names = [name for name in ALL if name.endswith("_SECONDS")]
    code = "from djtranscribe import settings"

    refused = [
        name
        for name in names
        if f"{name} must be" in python("-c", code, **{name: "soon"}).stderr
    ]

    assert refused == names


@pytest.mark.parametrize(
    ("value", "expected"), [("True", True), ("1", True), ("on", True), ("OFF", False)]
)
def test_a_switch_is_read_in_every_usual_spelling(value, expected):
    assert values("DEBUG", DEBUG=value) == [expected]


def test_a_switch_that_is_neither_is_refused():
    done = python("-c", "import djtranscribe.settings", DEBUG="maybe")

    assert "DEBUG must be true or false" in done.stderr


def test_sqlite_is_made_fit_for_two_processes_and_postgresql_left_alone():
    [sqlite] = values("DATABASES")
    [postgresql] = values("DATABASES", DATABASE_URL="postgres://u@h/d")

    assert sqlite["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "WAL" in sqlite["default"]["OPTIONS"]["init_command"]
    assert sqlite["default"]["NAME"].endswith("db.sqlite3")
    assert postgresql["default"]["ENGINE"] == "django.db.backends.postgresql"
    assert "init_command" not in postgresql["default"].get("OPTIONS", {})


def test_recordings_have_no_public_address():
    code = (
        "import django; django.setup(); from django.conf import settings; "
        "print(repr(settings.MEDIA_URL))"
    )

    done = python("-c", code, **COMPLETE)

    assert done.stdout.strip() in ("''", "'/'"), done.stderr


MAIL = (
    *("EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER"),
    *("EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "EMAIL_USE_SSL"),
)
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "smtp+tls://ada%40example.com:p%2Fw%3A%23@mail.example",
            ["mail.example", 587, "ada@example.com", "p/w:#", True, False],
        ),
        ("smtps://a:b@mail.example", ["mail.example", 465, "a", "b", False, True]),
        ("smtp://localhost:2525", ["localhost", 2525, "", "", False, False]),
    ],
)
def test_a_mail_server_is_named_in_one_line(url, expected):
    assert values(*MAIL, EMAIL_URL=url) == [SMTP, *expected]


@pytest.mark.parametrize(("debug", "kind"), [("true", "console"), ("", "dummy")])
def test_without_a_mail_server_nothing_is_mailed(debug, kind):
    (backend,) = values("EMAIL_BACKEND", DEBUG=debug)

    assert backend == f"django.core.mail.backends.{kind}.EmailBackend"


def test_mail_comes_from_the_site_unless_somebody_else_is_named():
    site = "https://calls.example.com"
    (usual,) = values("DEFAULT_FROM_EMAIL", BASE_URL=site)
    (named,) = values(
        "DEFAULT_FROM_EMAIL", BASE_URL=site, DEFAULT_FROM_EMAIL="ada@example.com"
    )

    assert (usual, named) == ("djtranscribe@calls.example.com", "ada@example.com")


def test_password_of_email_url_is_in_only_one_setting():
    code = "from djtranscribe import settings; print(vars(settings))"

    done = python("-c", code, EMAIL_URL="smtp+tls://ada:s3cr3t@mail.example")

    assert done.stdout.count("s3cr3t") == 1
    assert "'EMAIL_HOST_PASSWORD': 's3cr3t'" in done.stdout


def test_sandbox_sends_no_notifications(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_URL", "https://receiver.example.com/")
    monkeypatch.setenv("NOTIFY_EMAIL", "true")
    ports = {"port": 1, "twilio_port": 2, "assemblyai_port": 3}

    chosen = sandbox.environment(tmp_path, ports)

    assert chosen["NOTIFY_URL"] == chosen["NOTIFY_EMAIL"] == ""
