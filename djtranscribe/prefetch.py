"""Requests for pages that nobody has asked for yet: prefetch, prerender, preview."""

import re
from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest, HttpResponse

# Matches Sec-Purpose, Purpose, X-Purpose, X-Moz, and JavaScript frameworks' headers.
HEADER = re.compile(
    r"purpose|prefetch|preload|prerender|preview|speculat|^x-moz$", re.IGNORECASE
)
View = TypeVar("View", bound=Callable[..., HttpResponse])


def is_prefetch(request: HttpRequest) -> bool:
    """Whether a header announces a prefetch, in any spelling and with any value."""
    return any(HEADER.search(name) for name in request.headers)


def allow_prefetch(view: View) -> View:
    """Mark a view that changes and records nothing when it is prefetched."""
    view.allows_prefetch = True  # type: ignore[attr-defined]
    return view
