"""Read a request's headers: is it a prefetch, and did a person type its URL?"""

import re
from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest, HttpResponse

# Matches the names of the headers Sec-Purpose, Purpose, X-Purpose and X-Moz, and of the
# headers that JavaScript frameworks send.
HEADER = re.compile(
    r"purpose|prefetch|preload|prerender|preview|speculat|^x-moz$", re.IGNORECASE
)
View = TypeVar("View", bound=Callable[..., HttpResponse])


def is_prefetch(request: HttpRequest) -> bool:
    """Return whether a header's name announces a prefetch. Ignore its value."""
    return any(HEADER.search(name) for name in request.headers)


def was_typed(request: HttpRequest) -> bool:
    """Return whether a person typed this URL or opened a bookmark.

    Browsers say so in the Sec-Fetch headers, which no page can forge
    (w3.org/TR/fetch-metadata). Two other cases look the same (docs/security.md):
    - A mail client opens this URL in the browser.
    - A typed URL of another site redirects here.
    """
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("Sec-Fetch-Site") == "none"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
        and headers.get("Sec-Fetch-User") == "?1"
        # Browsers also prefetch a URL while a person is still typing it.
        and not is_prefetch(request)
    )


def allow_prefetch(view: View) -> View:
    """Decorator: allow prefetches of a view.

    The view must not store anything during a prefetch.
    """
    view.allows_prefetch = True  # type: ignore[attr-defined]
    return view
