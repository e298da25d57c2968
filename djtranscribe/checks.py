from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured


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
