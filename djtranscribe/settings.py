"""Settings, read from the environment or from a file `.env` next to manage.py.

.env.example and docs/settings.md explain every name. tests/test_documentation.py checks
that both have the same names as this file.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

from djtranscribe import zones
from djtranscribe.accounts import allauth_settings
from djtranscribe.environment import (
    boolean,
    comma_separated,
    decimal,
    integer,
    one_of,
    rates,
    refuse_invalid_url,
    require_package,
    text,
)
from djtranscribe.mail import email_settings
from djtranscribe.public_urls import split_url

BASE_DIR = Path(__file__).resolve().parent.parent

# If the environment and the file set the same name, the environment's value is used.
load_dotenv(BASE_DIR / ".env")

# The site

DEBUG = boolean("DEBUG")
# If SECRET_KEY is empty with DEBUG off, a system check stops wsgi.py and most commands.
INSECURE_KEY = "insecure-and-only-for-development-" + "0" * 32
SECRET_KEY = text("SECRET_KEY", INSECURE_KEY if DEBUG else "")
SECRET_KEY_FALLBACKS = comma_separated("SECRET_KEY_FALLBACKS")
BASE_URL = text("BASE_URL")
IS_HTTPS = BASE_URL.startswith("https://")
ALLOWED_HOSTS = comma_separated("ALLOWED_HOSTS", "localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = []
if split_url(BASE_URL).hostname:
    ALLOWED_HOSTS.append(str(split_url(BASE_URL).hostname))
    # Behind a tunnel such as ngrok, the browser's Origin says https, but the request
    # arrives by http. Without this setting, Django could refuse forms.
    CSRF_TRUSTED_ORIGINS.append("{0.scheme}://{0.netloc}".format(split_url(BASE_URL)))
# The path of BASE_URL: `/calls` for https://example.com/calls, empty without a path.
# reverse() puts FORCE_SCRIPT_NAME before each URL and ignores the server's SCRIPT_NAME.
PREFIX = split_url(BASE_URL).path.rstrip("/")
FORCE_SCRIPT_NAME = PREFIX or None

# Twilio: the call and its recording

TWILIO_ACCOUNT_SID = text("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = text("TWILIO_AUTH_TOKEN")
# Older tokens. We still accept webhooks that Twilio has signed with one of them.
TWILIO_AUTH_TOKEN_FALLBACKS = comma_separated("TWILIO_AUTH_TOKEN_FALLBACKS")
TWILIO_PHONE_NUMBER = text("TWILIO_PHONE_NUMBER")
# With an API key, requests to Twilio use the key. The auth token then only verifies
# webhooks.
TWILIO_API_KEY = text("TWILIO_API_KEY")
TWILIO_API_SECRET = text("TWILIO_API_SECRET")
TWILIO_REGION = text("TWILIO_REGION")
TWILIO_EDGE = text("TWILIO_EDGE")
TWILIO_API_URL = text("TWILIO_API_URL", "https://api.twilio.com")

# ISO codes of the allowed countries. If the list is empty, we call only the country of
# our number.
DIAL_COUNTRIES = [code.upper() for code in comma_separated("DIAL_COUNTRIES")]
MAX_CALLS_PER_OPERATOR_HOUR = integer("MAX_CALLS_PER_OPERATOR_HOUR", 60)
MAX_CALLS_PER_NUMBER_DAY = integer("MAX_CALLS_PER_NUMBER_DAY", 5)
MAX_CALLS_PER_DAY = integer("MAX_CALLS_PER_DAY", 500)
# The amount is in the currency of the Twilio account.
MAX_SPEND_PER_DAY = decimal("MAX_SPEND_PER_DAY", "25")
# This limit includes what AssemblyAI charges. 0 means no limit.
MAX_SPEND_PER_MONTH = decimal("MAX_SPEND_PER_MONTH", "0")

# What happens in a call. The default sentences are in caller/twilio/sentences.py.
SAY_LANGUAGE = text("SAY_LANGUAGE")
SAY_VOICE = text("SAY_VOICE")
RECORDING_NOTICE = text("RECORDING_NOTICE")
SAY_NOTHING_HEARD = text("SAY_NOTHING_HEARD")
SAY_GOODBYE = text("SAY_GOODBYE")
RECORDING_MAX_SECONDS = integer("RECORDING_MAX_SECONDS", 300)
RECORDING_SILENCE_SECONDS = integer("RECORDING_SILENCE_SECONDS", 5)
CONVERSATION_NOTICE = text("CONVERSATION_NOTICE")
CONVERSATION_MAX_SECONDS = integer("CONVERSATION_MAX_SECONDS", 3600)
MACHINE_DETECTION = text("MACHINE_DETECTION", "off")
ANSWER_GREETING = text("ANSWER_GREETING")
# Username of an operator. Incoming calls are forwarded to this operator's verified
# phone. If it is empty, callers leave a message.
ANSWER_FORWARD_TO = text("ANSWER_FORWARD_TO")
MAX_ANSWERED_PER_CALLER_HOUR = integer("MAX_ANSWERED_PER_CALLER_HOUR", 10)

# AssemblyAI: the transcript of a recording

ASSEMBLYAI_KEY = text("ASSEMBLYAI_KEY")
ASSEMBLYAI_API_URL = text("ASSEMBLYAI_API_URL", "https://api.assemblyai.com")
# Models, best first. This is a setting, because AssemblyAI retires models quickly.
SPEECH_MODELS = comma_separated("SPEECH_MODELS", "assemblyai-stt-3-7,universal-2")
# Language of the calls, or "detect". Django's LANGUAGE_CODE below is another setting:
# the language of the pages.
SPEECH_LANGUAGE_CODE = text("LANGUAGE_CODE", "en_us")
# Price of an hour of audio, by model, in the currency of the Twilio account. For other
# models, we use AssemblyAI's list prices in dollars
# (transcription/assemblyai/speech_models.py).
SPEECH_RATES = rates("SPEECH_RATES")
AUDIO_DELIVERY = text("AUDIO_DELIVERY", "upload")
# Kinds of personal data that AssemblyAI leaves out of the texts: person_name, …
REDACT_PII = comma_separated("REDACT_PII")

# Notifications about finished transcripts

NOTIFY_URL = text("NOTIFY_URL")
# We sign each webhook with every secret of this list. To replace a secret, add the new
# one, change the receivers, then remove the old one.
NOTIFY_SECRETS = comma_separated("NOTIFY_SECRET")
NOTIFY_EMAIL = boolean("NOTIFY_EMAIL")
# Define EMAIL_HOST and other settings. The URL itself is not a setting: Django's debug
# page would show the password.
globals().update(email_settings(text("EMAIL_URL"), DEBUG))
HAS_EMAIL_URL = bool(text("EMAIL_URL"))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = SERVER_EMAIL = text(
    "DEFAULT_FROM_EMAIL", f"djtranscribe@{split_url(BASE_URL).hostname or 'localhost'}"
)

# Recordings and texts are deleted after this many days. 0 means never.

RETAIN_AUDIO_DAYS = integer("RETAIN_AUDIO_DAYS", 0, least=0)
RETAIN_TEXT_DAYS = integer("RETAIN_TEXT_DAYS", 0, least=0)

# Monitoring

METRICS_TOKEN = text("METRICS_TOKEN")
LOG_FORMAT = text("LOG_FORMAT", "text")
SENTRY_DSN = text("SENTRY_DSN")
if SENTRY_DSN:
    require_package("SENTRY_DSN", "sentry_sdk", "djtranscribe/sentry-requirements.txt")
OTLP_ENDPOINT = text("OTLP_ENDPOINT")
if OTLP_ENDPOINT:
    require_package(
        "OTLP_ENDPOINT", "opentelemetry", "djtranscribe/tracing-requirements.txt"
    )

# The worker

BROKERS = ("amqp://", "amqps://", "redis://", "rediss://")
LEASE_SECONDS = integer("LEASE_SECONDS", 60)
RECOVER_SECONDS = integer("RECOVER_SECONDS", 90)
# Celery's broker: amqp://… or redis://…. If it is empty, the queue is in our database.
# The URL may contain a password. Django's debug page hides the URL, because the name of
# the setting contains SECRET.
TASK_BROKER_SECRET_URL = text("TASK_BROKER_URL")
if TASK_BROKER_SECRET_URL:
    if not TASK_BROKER_SECRET_URL.startswith(BROKERS):
        raise ImproperlyConfigured(
            f"TASK_BROKER_URL must begin with one of {', '.join(BROKERS)}."
        )
    with refuse_invalid_url("TASK_BROKER_URL", "amqp://user:password@host:5672//"):
        # Celery accepts several URLs, to be tried one after the other.
        _ = [urlsplit(url).port for url in TASK_BROKER_SECRET_URL.split(";")]
    require_package("TASK_BROKER_URL", "celery", "djtranscribe/worker/requirements.txt")
TASKS = {
    "default": {
        "BACKEND": "djtranscribe.worker.celery_app.CeleryBackend"
        if TASK_BROKER_SECRET_URL
        else "django_tasks_db.DatabaseBackend"
    }
}

# Django

INSTALLED_APPS = [
    "axes",
    "csp",
    "djtranscribe",
    "caller",
    "transcription",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
]

MIDDLEWARE = [
    # Removes BASE_URL's path from request.path_info, for the middleware below.
    "djtranscribe.middleware.strip_path_prefix",
    "django.middleware.security.SecurityMiddleware",
    "djtranscribe.middleware.answer_webhooks_first",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "djtranscribe.middleware.set_private_cache_control",
    "djtranscribe.middleware.drop_invalid_session_cookie",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page needs a login, unless its view is marked with login_not_required.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "djtranscribe.middleware.RefusePrefetch",
    "djtranscribe.middleware.activate_user_time_zone",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Must be last (django-axes.readthedocs.io, "Installation").
    "axes.middleware.AxesMiddleware",
]
if OTLP_ENDPOINT:
    MIDDLEWARE.insert(0, "djtranscribe.tracing.requests")

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "djtranscribe.accounts.backends.WithProfile",
    # Sessions of older versions name this backend. Without the backend, those sessions
    # would end.
    "django.contrib.auth.backends.ModelBackend",
]
# After too many wrong passwords, lock only this pair of username and IP address.
# A lock of the username alone would allow a stranger to lock out an operator.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
# False: an attempt during a lock does not start the 15 minutes again.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "locked_out.html"
AXES_CLIENT_IP_CALLABLE = "djtranscribe.public_urls.client_address"
# Locks need no page in admin: `manage.py axes_reset` removes all of them.
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address"]

# Two-factor login, and single sign-on with OpenID Connect

TWO_FACTOR = one_of("TWO_FACTOR", "off", "optional", "required")
OIDC_URL = text("OIDC_URL")
OIDC_NAME = text("OIDC_NAME", "single sign-on")
OIDC_CLIENT_ID = text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = text("OIDC_CLIENT_SECRET")
LOGIN_PACKAGES = "djtranscribe/accounts/requirements.txt"
if TWO_FACTOR != "off":
    require_package("TWO_FACTOR", "allauth", LOGIN_PACKAGES)
if OIDC_URL:
    require_package("OIDC_URL", "allauth", LOGIN_PACKAGES)
USES_ALLAUTH = TWO_FACTOR != "off" or bool(OIDC_URL)
if USES_ALLAUTH:
    INSTALLED_APPS += allauth_settings.apps(TWO_FACTOR != "off", bool(OIDC_URL))
    MIDDLEWARE[-1:-1] = allauth_settings.MIDDLEWARE
    globals().update(
        allauth_settings.values(
            DEBUG,
            IS_HTTPS,
            OIDC_URL,
            {
                "name": OIDC_NAME,
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
            },
        )
    )

# What browsers may do with our pages

SESSION_ENGINE = "djtranscribe.accounts.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
# If BASE_URL has a path, another Django site may be at "/" of the same host. Browsers
# send that site's cookies to us, too. So our cookies need other names.
SESSION_COOKIE_NAME = "sessionid" + PREFIX.replace("/", "_")
CSRF_COOKIE_NAME = "csrftoken" + PREFIX.replace("/", "_")
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = PREFIX or "/"
# Do not store messages in a cookie, because Django sets that cookie for the whole host.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_SSL_HOST = split_url(BASE_URL).netloc
# The URLs of all webhooks begin with one of these paths.
WEBHOOK_PATHS = ("/record/", "/bridge/", "/code/", "/answer/", "/webhooks/")
# Never redirect these URLs to https:
# - Monitors on this machine use http.
# - If the proxy sets no X-Forwarded-Proto, webhooks look like http. A redirect would
#   lose the body of the webhook.
SECURE_REDIRECT_EXEMPT = [
    "^" + re.escape(f"{PREFIX}{path}".lstrip("/"))
    for path in ("/healthz", "/metrics", *WEBHOOK_PATHS)
]
# The proxy sets this header. We trust it, because only the proxy can reach gunicorn.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Do not set HSTS for subdomains: they may be other sites, without https. Silence the
# two warnings of `check --deploy` about this.
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "media-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

ROOT_URLCONF = "djtranscribe.urls"
WSGI_APPLICATION = "djtranscribe.wsgi.application"
LOGIN_URL = "account_login" if USES_ALLAUTH else "admin:login"
LOGIN_REDIRECT_URL = "caller:home"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

with refuse_invalid_url("DATABASE_URL", "postgres://user:password@host:5432/name"):
    DATABASES = {
        "default": dj_database_url.parse(
            text("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}",
            conn_max_age=60,
            conn_health_checks=True,
        )
    }
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Without this, statements cannot be prepared, see djtranscribe/database.py.
    DATABASES["default"].setdefault("OPTIONS", {})["server_side_binding"] = True
    # PgBouncer in transaction mode loses server-side cursors between two fetches.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # At 200 webhooks a second, 80 % of the webhooks failed without these options:
    # "database is locked". IMMEDIATE matters most. Without it, a transaction that
    # first reads and then writes can fail at once, without a wait.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # Copy the write-ahead log into the database after 8,000 pages (32 MB). A
        # correction of a long transcript writes 4 MB. With the default of 1,000 pages
        # (4 MB), each such correction would also wait for this copy.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA wal_autocheckpoint=8000;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The link in an e-mail for a new password is valid for this many seconds.
PASSWORD_RESET_TIMEOUT = 3600

USE_TZ = True
# Use UTC instead of an unknown zone. Otherwise Django raises ValueError before our
# system check can report the zone.
SITE_TIME_ZONE = text("TIME_ZONE", "UTC")
TIME_ZONE = SITE_TIME_ZONE if zones.is_setting(SITE_TIME_ZONE) else "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "djtranscribe.formats"

# Do not set MEDIA_URL: recordings must have no public URL. Only a view that checks
# permissions sends recordings.
MEDIA_ROOT = text("MEDIA_ROOT") or str(BASE_DIR / "media")
# Bucket for the recordings, in S3 or an S3-compatible store. If it is empty,
# the recordings are in MEDIA_ROOT.
S3_BUCKET = text("S3_BUCKET")
S3_ENDPOINT_URL = text("S3_ENDPOINT_URL")
if S3_BUCKET:
    require_package("S3_BUCKET", "storages", "caller/recordings/requirements.txt")
IN_BUCKET = {
    "BACKEND": "caller.recordings.object_storage.ObjectStorage",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        "endpoint_url": S3_ENDPOINT_URL or None,
        # Without keys, boto3 uses other credentials, such as this machine's IAM role.
        "access_key": text("AWS_ACCESS_KEY_ID") or None,
        "secret_key": text("AWS_SECRET_ACCESS_KEY") or None,
        "region_name": text("AWS_DEFAULT_REGION") or None,
    },
}
IN_FOLDER = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
STORAGES = {
    "default": IN_BUCKET if S3_BUCKET else IN_FOLDER,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = f"{PREFIX}/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Serve static files without `collectstatic`, also under gunicorn.
WHITENOISE_USE_FINDERS = True

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "no-numbers": {"()": "djtranscribe.logs.UrlRedactionFilter"},
        "refused-requests": {"()": "djtranscribe.logs.RefusedRequestFilter"},
    },
    "formatters": {
        "json": {"()": "djtranscribe.logs.JsonFormatter"},
        "text": {
            "()": "djtranscribe.logs.LineFormatter",
            "format": "time={asctime} level={levelname} logger={name} {message}",
            "style": "{",
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "json" if LOG_FORMAT == "json" else "text",
            "filters": ["no-numbers", "refused-requests"],
        }
    },
    "loggers": {
        name: {"handlers": ["console"], "level": "INFO", "propagate": False}
        for name in ("caller", "transcription", "djtranscribe", "django")
    },
    # All other loggers, such as the task engine's, use the same handler and filter.
    "root": {"handlers": ["console"], "level": "WARNING"},
}
# runserver's access log also uses our handler. Django's own handler would not remove
# phone numbers.
LOGGING["loggers"]["django.server"] = LOGGING["loggers"]["django"]
