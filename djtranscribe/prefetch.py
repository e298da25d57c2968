"""Detect when a browser loads a page before a person opens it (prefetch, prerender)."""

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
    """Whether the name of a header announces a prefetch. Its value does not matter."""
    return any(HEADER.search(name) for name in request.headers)


def allow_prefetch(view: View) -> View:
    """Decorator: allow browsers to prefetch a view that changes and records nothing."""
    view.allows_prefetch = True  # type: ignore[attr-defined]
    return view
