"""Settings for tests. Every setting gets a value here, so no .env has an effect."""

import json
import os

from tests.names import SETTINGS

DATABASE_URL = os.environ.get("DATABASE_URL") or "sqlite:///:memory:"
os.environ.update(
    {
        **dict.fromkeys(SETTINGS, ""),
        "DATABASE_URL": DATABASE_URL,
        "DEBUG": "false",
        "SECRET_KEY": "tests-only",
        "BASE_URL": "https://djtranscribe.example.com",
        "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 31 + "1",
        "TWILIO_AUTH_TOKEN": "tests-only-token",
        "TWILIO_AUTH_TOKEN_FALLBACKS": "",
        "SECRET_KEY_FALLBACKS": "",
        "TWILIO_PHONE_NUMBER": "+14155550100",
        "TWILIO_API_KEY": "",
        "TWILIO_API_SECRET": "",
        "TWILIO_API_URL": "https://api.twilio.com",
        "TWILIO_REGION": "",
        "TWILIO_EDGE": "",
        "DIAL_COUNTRIES": "US,GB,DE",
        "MAX_CALLS_PER_OPERATOR_HOUR": "60",
        "MAX_CALLS_PER_NUMBER_DAY": "5",
        "MAX_CALLS_PER_DAY": "500",
        "MAX_SPEND_PER_DAY": "25",
        "SAY_LANGUAGE": "",
        "SAY_VOICE": "",
        "RECORDING_NOTICE": "This call is recorded.",
        "SAY_NOTHING_HEARD": "",
        "SAY_GOODBYE": "",
        "RECORDING_MAX_SECONDS": "300",
        "RECORDING_SILENCE_SECONDS": "5",
        "ASSEMBLYAI_KEY": "tests-only-key",
        "ASSEMBLYAI_API_URL": "https://api.assemblyai.com",
        "SPEECH_MODELS": "assemblyai-stt-3-7,universal-2",
        "LANGUAGE_CODE": "en_us",
        "AUDIO_DELIVERY": "upload",
        "NOTIFY_URL": "",
        "NOTIFY_SECRET": "",
        "NOTIFY_EMAIL": "",
        # This is never used, because pytest-django keeps all e-mails.
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "DEFAULT_FROM_EMAIL": "",
        "TIME_ZONE": "UTC",
        "LEASE_SECONDS": "60",
        "RECOVER_SECONDS": "90",
        "MEDIA_ROOT": "/nonexistent/tests-set-their-own",
        # A test that runs other tests in a separate process sets this variable.
        **json.loads(os.environ.get("TEST_SETTINGS", "{}")),
    }
)

from djtranscribe.settings import *  # noqa: E402, F403 - after the environment

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The test client uses http by default. Tests of https turn this on.
SECURE_SSL_REDIRECT = False
# Find each static file on request. By default, WhiteNoise reads the folder of collected
# files for each test client, and warns if the folder is missing.
WHITENOISE_AUTOREFRESH = True
