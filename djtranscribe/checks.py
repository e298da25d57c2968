from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from djtranscribe import zones

# The minimum length of METRICS_TOKEN. A shorter token could be guessed.
MIN_TOKEN_LENGTH = 20
NEW_DATABASE = (
    "Make a new database and move the data with pg_dump and pg_restore: "
    "CREATE DATABASE djtranscribe TEMPLATE template0 ENCODING 'UTF8' "
    "LC_CTYPE 'C.UTF-8'"
)
UNREACHABLE = (
    "Make sure that it is running, and check DATABASE_URL: user, password, host, port "
    'and name. "manage.py showmigrations" prints the reason.'
)


@register()
def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    try:
        settings.SECRET_KEY  # noqa: B018 - Django raises when it is empty
    except ImproperlyConfigured:
        message = "SECRET_KEY is empty."
        hint = (
            "Copy .env.example to .env and set it. This prints a good one: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
        return [Error(message, hint, id="djtranscribe.E001")]
    return []


@register(Tags.database)
def check_database_encoding(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report PostgreSQL databases that do not answer or that are not UTF8.

    Only UTF8 can store every letter. This check runs in `migrate`, in
    `check --database default` and in `doctor`.
    """
    problems: list[CheckMessage] = []
    for alias in databases or []:
        if connections[alias].vendor == "postgresql":
            try:
                problems += encoding_problems(alias)
            except DatabaseError as error:
                # Show only the error's type: its text may quote a part of DATABASE_URL.
                message = f"The database cannot be reached ({type(error).__name__})."
                problems.append(Error(message, UNREACHABLE, id="djtranscribe.E008"))
    return problems


def encoding_problems(alias: str) -> list[CheckMessage]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_setting('server_encoding')")
        [encoding] = cursor.fetchone()
    if encoding == "UTF8":
        return []
    message = f"The database has the encoding {encoding}, not UTF8."
    return [Error(message, NEW_DATABASE, id="djtranscribe.E002")]


@register()
def check_time_zone(**kwargs: Any) -> list[CheckMessage]:
    if zones.is_setting(settings.SITE_TIME_ZONE):
        return []
    message = "TIME_ZONE is not a time zone that this machine knows."
    hint = (
        "Write an IANA name, letter for letter, such as Australia/Sydney or UTC. They "
        "are listed at https://en.wikipedia.org/wiki/List_of_tz_database_time_zones."
    )
    return [Error(message, hint, id="djtranscribe.E003")]


@register()
def check_single_sign_on(**kwargs: Any) -> list[CheckMessage]:
    if not settings.OIDC_URL:
        return []
    problems: list[CheckMessage] = []
    if not settings.OIDC_URL.startswith("https://") and not settings.DEBUG:
        message = "OIDC_URL does not begin with https://."
        hint = (
            "Without https, an attacker in the network could log in as anybody. Use "
            "the provider's https address."
        )
        problems.append(Error(message, hint, id="djtranscribe.E006"))
    if not (settings.OIDC_CLIENT_ID and settings.OIDC_CLIENT_SECRET):
        message = "OIDC_URL is set, but OIDC_CLIENT_ID or OIDC_CLIENT_SECRET is empty."
        hint = "The provider gives both to a client that you register there."
        problems.append(Error(message, hint, id="djtranscribe.E007"))
    return problems


@register()
def check_monitoring(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if 0 < len(settings.METRICS_TOKEN) < MIN_TOKEN_LENGTH:
        message = f"METRICS_TOKEN has fewer than {MIN_TOKEN_LENGTH} characters."
        hint = 'python3 -c "import secrets; print(secrets.token_urlsafe())" makes one.'
        problems.append(Error(message, hint, id="djtranscribe.E004"))
    if settings.LOG_FORMAT not in {"text", "json"}:
        message = "LOG_FORMAT is neither text nor json."
        problems.append(Error(message, "text is the default.", id="djtranscribe.E005"))
    if settings.SENTRY_DSN:
        # Imported only here, because sentry_sdk is an optional requirement.
        from djtranscribe import sentry

        if not sentry.is_dsn(settings.SENTRY_DSN):
            message = "SENTRY_DSN is not the address (DSN) of a Sentry project."
            hint = "Sentry shows it in the project's settings: https://KEY@HOST/NUMBER"
            problems.append(Error(message, hint, id="djtranscribe.E009"))
    return problems
