"""Turn EMAIL_URL into Django's e-mail settings."""

from typing import Any
from urllib.parse import unquote

from djtranscribe.public_urls import split_url

# The port of each scheme, for URLs without a port.
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def email_settings(url: str, debug: bool) -> dict[str, Any]:
    """Return the settings for a URL such as `smtp+tls://user:password@host:587`.

    Special characters in user and password are percent-encoded: `%40` for @.
    Without a valid URL, e-mails are printed (DEBUG on) or dropped (DEBUG off).
    A system check reports an invalid URL.
    """
    server = split_url(url)
    # A valid URL ends after the port. If there is more, the password probably contains
    # an unencoded /, ? or #: urlsplit reads `smtp://me:pa#ss@host` as the host `me`.
    has_more = server.path.strip("/") or server.query or server.fragment
    try:
        port = server.port or PORTS[server.scheme]
    except (ValueError, KeyError):
        port = 0
    if has_more or not (port and server.hostname and server.scheme in PORTS):
        kind = "console" if debug else "dummy"
        return {"EMAIL_BACKEND": f"django.core.mail.backends.{kind}.EmailBackend"}
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": server.hostname,
        "EMAIL_PORT": port,
        "EMAIL_HOST_USER": unquote(server.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(server.password or ""),
        "EMAIL_USE_TLS": server.scheme == "smtp+tls",
        "EMAIL_USE_SSL": server.scheme == "smtps",
    }
