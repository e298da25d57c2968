"""The URLs of this site that Twilio requests."""

from functools import lru_cache
from urllib.parse import urldefrag
from uuid import UUID

from django.urls import get_script_prefix, reverse

from djtranscribe.public_urls import public_url

# With this URL fragment, Twilio retries a failed webhook up to three times in 15 s.
# Default: one retry, only after a failed connection.
# Twilio's request and its signature do not contain the fragment.
RETRY = "#rc=3&rp=all"


def webhook_url(view_name: str, call_uuid: UUID) -> str:
    """Return the URL of a view for one call. Twilio retries failed requests to it."""
    path = path_of(view_name, get_script_prefix())
    return public_url(f"{path}?call={call_uuid}{RETRY}")


@lru_cache(maxsize=32)
def path_of(view_name: str, script_prefix: str) -> str:
    """Return the path of a view.

    script_prefix: only a key for the cache. `reverse` looks up the prefix itself.
    """
    return reverse(view_name)


def answer_url() -> str:
    """Return the Voice URL that our number should have."""
    return public_url(reverse("caller:answer")) + RETRY


def reaches_us(voice_url: str) -> bool:
    """Return whether this Voice URL is the URL of our view `answer`.

    The fragment (RETRY) is ignored: it is missing if a person typed the URL.
    """
    return urldefrag(voice_url).url == urldefrag(answer_url()).url
