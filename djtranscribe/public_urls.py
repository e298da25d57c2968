"""The address under which the outside world sees this site.

Not request.build_absolute_uri(): behind ngrok or a load balancer it names the inner
host and http, and neither Twilio's signature nor a callback would fit.
"""

from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.http import HttpRequest


def public_url(path: str) -> str:
    """`/record/?call=…` -> `https://example.com/record/?call=…`."""
    return settings.BASE_URL.rstrip("/") + path


def public_url_of(request: HttpRequest) -> str:
    """The URL that the sender of this request used, query included."""
    return public_url(request.get_full_path())


def parts(url: str) -> SplitResult:
    """Of an address; empty ones of what is none, which a system check then says."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
