"""All routes of the site, read from its URL map."""

from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


def addresses(
    resolver: URLResolver | None = None, prefix: str = "/"
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each route with its view: `("/dial/<str:number>/", view)`."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


def is_open(view: Callable[..., Any]) -> bool:
    """Return whether the view needs no login."""
    return not getattr(view, "login_required", True)


def is_csrf_exempt(view: Callable[..., Any]) -> bool:
    return getattr(view, "csrf_exempt", False)


def is_api(route: str) -> bool:
    """Return whether the route is for programs with a token. /api/ is for people."""
    return route.startswith("/api/") and route != "/api/"


def is_webhook(view: Callable[..., Any]) -> bool:
    """Return whether the view is for machines: it needs no login and no CSRF token."""
    return is_open(view) and is_csrf_exempt(view)


def finish(answer: Any) -> None:
    """Read a streamed answer to its end, like a browser.

    `answer.close()` would close the connection to PostgreSQL, and so end the test's
    transaction.
    """
    if answer.streaming:
        b"".join(answer.streaming_content)
        # After a HEAD request, Django's test client leaves the file open.
        file = getattr(answer, "file_to_stream", None)
        if file:
            file.close()
