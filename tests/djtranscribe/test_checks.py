"""Wrong settings are found at start, by system checks with an id and a hint."""

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from caller.models import call_queries
from caller.models.call_queries import next_check_time
from djtranscribe.mail import email_settings
from djtranscribe.recovery import wait_for_assemblyai
from tests.processes import environment, manage
from transcription.checks import MAX_SECONDS
from transcription.models import transcript_queries

E1, E2, E3, E4, E5 = (f"caller.E00{n}" for n in range(1, 6))
T1, T2, T3, T4, T5 = (f"transcription.E00{n}" for n in range(1, 6))


def found():
    ours = ("caller.", "transcription.", "djtranscribe.")
    return [message for message in run_checks() if message.id.startswith(ours)]


def test_the_settings_of_the_tests_are_in_order():
    assert found() == []


def test_an_empty_auth_token_is_said_to_refuse_every_webhook(settings):
    settings.TWILIO_AUTH_TOKEN = ""

    (message,) = found()

    assert message.id == E2
    assert "every webhook from Twilio is refused" in message.msg


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TWILIO_ACCOUNT_SID", "", E1),
        ("TWILIO_ACCOUNT_SID", "AC123", E1),
        ("TWILIO_ACCOUNT_SID", "SK" + "0" * 32, E1),
        ("TWILIO_AUTH_TOKEN", "", E2),
        ("TWILIO_PHONE_NUMBER", "", E3),
        ("TWILIO_PHONE_NUMBER", "14155550100", E3),
        ("TWILIO_PHONE_NUMBER", "+1 415 555 0100", E3),
        ("TWILIO_PHONE_NUMBER", "+0415555010", E3),
        ("TWILIO_PHONE_NUMBER", "+١٤١٥٥٥٥٠١٠٠", E3),
        ("TWILIO_PHONE_NUMBER", "+14155550100\n", E3),
        ("DIAL_COUNTRIES", ["US", "UK"], "caller.E015"),
        ("DIAL_COUNTRIES", ["001"], "caller.E015"),
        ("SITE_TIME_ZONE", "Mars/Olympus", "djtranscribe.E003"),
        ("SITE_TIME_ZONE", "australia/sydney", "djtranscribe.E003"),
        ("SITE_TIME_ZONE", "UTC+11", "djtranscribe.E003"),
        ("SITE_TIME_ZONE", "America", "djtranscribe.E003"),
        ("SITE_TIME_ZONE", "localtime", "djtranscribe.E003"),
        ("SITE_TIME_ZONE", "Australia/Sydney\N{ZERO WIDTH SPACE}", "djtranscribe.E003"),
        ("METRICS_TOKEN", "short", "djtranscribe.E004"),
        ("LOG_FORMAT", "xml", "djtranscribe.E005"),
        ("SENTRY_DSN", "sentry.example.com", "djtranscribe.E009"),
        ("SENTRY_DSN", "https://key@sentry.example.com:port/1", "djtranscribe.E009"),
        ("REDACT_PII", ["person name"], "transcription.E012"),
        ("REDACT_PII", ["person_name", "Phone"], "transcription.E012"),
        ("MACHINE_DETECTION", "maybe", "caller.E014"),
        ("BASE_URL", "", E4),
        ("BASE_URL", "djtranscribe.example.com", E4),
        ("BASE_URL", "ftp://djtranscribe.example.com", E4),
        ("BASE_URL", "http://djtranscribe.example.com", E4),
        ("BASE_URL", "http://localhost:8000", E4),
        ("BASE_URL", "https://djtranscribe.example.com/", E4),
        ("BASE_URL", "https://example.com?x=1", E4),
        ("BASE_URL", "https://example.com#x", E4),
        ("BASE_URL", "https://my_host.example.com", E4),
        ("BASE_URL", "https://", E4),
        ("BASE_URL", "https://user:secret@example.com", E4),
        ("TWILIO_API_URL", "http://127.0.0.1:9001", E5),
        ("TWILIO_API_URL", "http://api.twilio.com", E5),
        ("TWILIO_API_URL", "https://api.twilio.com.evil.example", E5),
        ("TWILIO_API_URL", "https://eviltwilio.com", E5),
        ("ASSEMBLYAI_KEY", "", T1),
        ("ASSEMBLYAI_API_URL", "http://127.0.0.1:9002", T2),
        ("ASSEMBLYAI_API_URL", "https://assemblyai.example", T2),
        ("SPEECH_MODELS", [], T3),
        ("AUDIO_DELIVERY", "carrier pigeon", T4),
        ("SPEECH_LANGUAGE_CODE", "", T5),
        ("LEASE_SECONDS", 33, "transcription.W001"),
        ("LEASE_SECONDS", 3601, "transcription.E011"),
        ("RECOVER_SECONDS", 3601, "transcription.E011"),
        ("RECOVER_SECONDS", 10**15, "transcription.E011"),
        ("SECRET_KEY", "", "djtranscribe.E001"),
    ],
)
def test_a_wrong_setting_is_named_with_a_hint(settings, name, value, expected):
    setattr(settings, name, value)

    messages = found()

    assert [message.id for message in messages] == [expected]
    assert messages[0].hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "https://a-b.example.com:8443"),
        ("ASSEMBLYAI_API_URL", "https://api.eu.assemblyai.com"),
        ("TWILIO_API_URL", "https://api.dublin.ie1.twilio.com"),
        ("SPEECH_LANGUAGE_CODE", "detect"),
        ("AUDIO_DELIVERY", "url"),
        ("LEASE_SECONDS", 60),
        ("LEASE_SECONDS", 3600),
        ("RECOVER_SECONDS", 3600),
    ],
)
def test_a_right_setting_is_not_complained_about(settings, name, value):
    setattr(settings, name, value)

    assert found() == []


def test_longest_recovery_wait_stays_within_the_longest_wait(settings):
    settings.RECOVER_SECONDS = MAX_SECONDS
    now = timezone.now()

    assert next_check_time() <= timezone.now() + call_queries.MAX_WAIT
    assert now + wait_for_assemblyai() <= now + transcript_queries.MAX_WAIT


def test_the_sandbox_is_in_order_while_debugging(settings):
    settings.DEBUG = True
    settings.BASE_URL = "http://localhost:8000"
    settings.TWILIO_API_URL = "http://127.0.0.1:9001"
    settings.ASSEMBLYAI_API_URL = "http://127.0.0.1:9002"

    assert found() == []


def test_no_hint_and_no_message_repeats_a_secret(settings):
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_PHONE_NUMBER = "s3cr3t"
    settings.BASE_URL = "https://user:s3cr3t@example.com/"

    text = " ".join(f"{message.msg} {message.hint}" for message in found())

    assert "s3cr3t" not in text


def test_a_database_that_cannot_be_reached_is_named_without_its_password(tmp_path):
    away = "postgres://ada:s3cr3t@127.0.0.1:9/calls"  # nobody listens at this port
    environ = environment(tmp_path, DATABASE_URL=away)

    checked = manage(environ, "check", "--database", "default", check=False)

    assert checked.returncode == 1
    assert "(djtranscribe.E008) The database cannot be reached" in checked.stderr
    assert "HINT: Make sure that it is running" in checked.stderr
    assert "s3cr3t" not in checked.stdout + checked.stderr


# Notifications

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
N6, N7, N8, N9, N10 = (f"transcription.E{n:03}" for n in range(6, 11))


@pytest.fixture
def webhooks(settings):
    settings.NOTIFY_URL = "https://example.com/hooks?of=transcripts"
    settings.NOTIFY_SECRETS = [SECRET, "whsec_" + "A" * 84]


@pytest.fixture
def mail(settings):
    settings.NOTIFY_EMAIL = True
    for name, value in email_settings("smtp+tls://ada:pw@mail.example", False).items():
        setattr(settings, name, value)
    settings.DEFAULT_FROM_EMAIL = "Transcripts <transcripts@example.com>"


def test_notifications_that_are_set_up_are_in_order(webhooks, mail):
    assert found() == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "example.com",
        "https://",
        "https://user:s3cr3t@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://example.com/a b",
        "https://exämple.com/",
        "https://example.com/\r\nX: y",
        "https://[::1",
    ],
)
def test_an_address_to_which_nothing_can_be_sent_safely_is_named(
    webhooks, settings, url
):
    settings.NOTIFY_URL = url

    messages = found()

    assert [message.id for message in messages] == [N6]
    assert "s3cr3t" not in f"{messages[0].msg} {messages[0].hint}"


def test_while_debugging_a_receiver_may_be_without_https(webhooks, settings):
    settings.DEBUG = True
    settings.NOTIFY_URL = "http://127.0.0.1:9000/hooks"

    assert found() == []


@pytest.mark.parametrize(
    "secrets",
    [
        [],
        ["s3cr3t"],
        [SECRET.removeprefix("whsec_")],
        ["whsec_"],
        ["whsec_s3cr3t"],
        ["whsec_" + "A" * 28],  # 21 bytes are too few
        ["whsec_" + "A" * 88],  # 66 bytes are too many
        ["whsec_" + "*" * 40],
        ["whsec_" + "ä" * 40],
        [SECRET, "s3cr3t"],
    ],
)
def test_a_secret_that_cannot_sign_is_named_and_not_repeated(
    webhooks, settings, secrets
):
    settings.NOTIFY_SECRETS = secrets

    messages = found()

    assert [message.id for message in messages] == [N7]
    assert "s3cr3t" not in f"{messages[0].msg} {messages[0].hint}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", [N8]),
        ("mail.example", [N8]),
        ("imap://mail.example", [N8]),
        ("smtp+tls://", [N8]),
        ("smtp://mail.example:port", [N8]),
        ("smtp+ssl://ada:pw@mail.example", [N8]),
        ("smtps://ada:p#w@mail.example", [N8]),
        ("smtps://ada:1#2@mail.example", [N8]),
        ("smtps://ada:1/2@mail.example", [N8]),
        ("smtp://ada:pw@mail.example", [N9]),
        ("smtp://mail.example", []),
        ("smtp://ada:pw@localhost", []),
        ("smtps://ada:pw@mail.example", []),
    ],
)
@pytest.mark.parametrize("notifies", [True, False])
def test_a_mail_server_that_cannot_be_used_safely_is_named(
    mail, settings, url, expected, notifies
):
    """Without NOTIFY_EMAIL, links to reset a password still need the mail server."""
    settings.NOTIFY_EMAIL, settings.HAS_EMAIL_URL = notifies, bool(url)
    settings.EMAIL_HOST_PASSWORD = ""
    for name, value in email_settings(url, False).items():
        setattr(settings, name, value)

    messages = found()

    assert [message.id for message in messages] == (expected if notifies or url else [])
    assert all(message.hint for message in messages)


@pytest.mark.parametrize("sender", ["", "ada", "a@b.example\nBcc: eve@example.com"])
@pytest.mark.parametrize("notifies", [True, False])
def test_invalid_sender_address_is_reported(mail, settings, sender, notifies):
    settings.NOTIFY_EMAIL, settings.DEFAULT_FROM_EMAIL = notifies, sender

    assert [message.id for message in found()] == [N10]


def test_with_debug_on_an_invalid_email_url_is_reported_and_an_empty_one_is_not(
    mail, settings
):
    settings.DEBUG = True
    for url, expected in (("mail.example", [N8]), ("", [])):
        settings.HAS_EMAIL_URL = bool(url)
        for name, value in email_settings(url, True).items():
            setattr(settings, name, value)

        assert [message.id for message in found()] == expected
