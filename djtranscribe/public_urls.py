"""The address of this site as the internet sees it.

Do not use request.build_absolute_uri(): behind a proxy it may return the internal host
and http. Then Twilio's signature does not match, and callbacks do not arrive.
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix


def public_url(path: str) -> str:
    """Return the public URL of a path of this site.

    For example `/record/?call=…` -> `https://example.com/record/?call=…`.
    path: from reverse() or a request. With the BASE_URL https://example.com/calls,
    `path` is `/calls/record/` in a web request, but `/record/` in a worker's thread.
    The result is https://example.com/calls/record/ in both cases.
    """
    base = settings.BASE_URL.rstrip("/")
    prefix = get_script_prefix().rstrip("/")
    if prefix and prefix == split_url(base).path:
        path = path.removeprefix(prefix)
    return base + path


def public_url_of(request: HttpRequest) -> str:
    """Return the URL that the sender of this request used, with its query string."""
    return public_url(request.get_full_path())


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address.

    Our proxy adds it as the last address in X-Forwarded-For. Without a valid
    address there, the address of the connection is returned.
    """
    seen = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-1].strip()
    try:
        return str(ip_address(seen))
    except ValueError:
        return str(request.META.get("REMOTE_ADDR", ""))


def split_url(url: str) -> SplitResult:
    """Split a URL. If it is invalid, all parts are empty (system checks report it)."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
