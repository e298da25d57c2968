"""The address of this site as the internet sees it.

Do not use request.build_absolute_uri(): behind a proxy it may return the inner host and
http, so that Twilio's signature does not match and callbacks do not arrive.
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix


def public_url(path: str) -> str:
    """`/record/?call=…` -> `https://example.com/record/?call=…`.

    path: from reverse() or a request. It begins with BASE_URL's path in a request and
    in a command's main thread, but not in a worker's other threads, since Django keeps
    the script prefix per thread.
    """
    base = settings.BASE_URL.rstrip("/")
    prefix = get_script_prefix().rstrip("/")
    if prefix and prefix == parts(base).path:
        path = path.removeprefix(prefix)
    return base + path


def public_url_of(request: HttpRequest) -> str:
    """The URL that the sender of this request used, query included."""
    return public_url(request.get_full_path())


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address: the last one that the proxy added, if any."""
    seen = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-1].strip()
    try:
        return str(ip_address(seen))
    except ValueError:
        return str(request.META.get("REMOTE_ADDR", ""))


def parts(url: str) -> SplitResult:
    """Split a URL. An invalid one gives empty parts; a system check reports it."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
