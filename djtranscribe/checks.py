from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from djtranscribe import zones


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


@register()
def check_time_zone(**kwargs: Any) -> list[CheckMessage]:
    if zones.is_setting(settings.SITE_TIME_ZONE):
        return []
    message = "TIME_ZONE is not a time zone that this machine knows."
    hint = (
        "Write an IANA name, letter for letter, such as Australia/Sydney or UTC. They "
        "are listed at https://en.wikipedia.org/wiki/List_of_tz_database_time_zones."
    )
    return [Error(message, hint, id="djtranscribe.E002")]
