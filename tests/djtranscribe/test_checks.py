"""A wrong setting is found at start, each by a check with an id and a hint."""

import pytest
from django.core.checks import run_checks

E1, E2, E3, E4, E5 = (f"caller.E00{n}" for n in range(1, 6))
T1, T2, T3, T4, T5 = (f"transcription.E00{n}" for n in range(1, 6))


def found():
    ours = ("caller.", "transcription.", "djtranscribe.")
    return [message for message in run_checks() if message.id.startswith(ours)]


def test_the_settings_of_the_tests_are_in_order():
    assert found() == []


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
    ],
)
def test_a_right_setting_is_not_complained_about(settings, name, value):
    setattr(settings, name, value)

    assert found() == []


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
