"""The URLs of this site that Twilio requests."""

from functools import lru_cache
from urllib.parse import urldefrag
from uuid import UUID

from django.urls import get_script_prefix, reverse

from djtranscribe.public_urls import public_url

# With this URL fragment, Twilio retries a webhook up to three times within 15 seconds,
# after any failure. By default, Twilio retries once, and only if it cannot connect.
# Twilio neither sends the fragment to us nor signs it.
RETRY = "#rc=3&rp=all"


def webhook_url(view_name: str, call_uuid: UUID) -> str:
    """Return the URL of a view for one call. Twilio retries failed requests to it."""
    path = path_of(view_name, get_script_prefix())
    return public_url(f"{path}?call={call_uuid}{RETRY}")


@lru_cache(maxsize=32)
def path_of(view_name: str, script_prefix: str) -> str:
    """Return the path of a view.

    script_prefix: needed only for the cache, which must keep one path per prefix.
    `reverse` gets the prefix from the current thread.
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
