"""EMAIL_URL -> Django's settings of mail."""

from typing import Any
from urllib.parse import unquote

from djtranscribe.public_urls import parts

# How the server is spoken to, and on which port unless one is named.
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def settings_of(url: str, debug: bool) -> dict[str, Any]:
    """`smtp+tls://user:password@host:587`, with what is odd in a name as %40.

    Without EMAIL_URL, or of what is none, no server: messages are printed while
    debugging and otherwise dropped, and a system check says so if any are wanted.
    """
    server = parts(url)
    try:
        port = server.port or PORTS[server.scheme]
    except (ValueError, KeyError):
        port = 0
    if not (port and server.hostname and server.scheme in PORTS):
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
