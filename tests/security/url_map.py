"""Every address of the site, read from its URL map."""

from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


def addresses(
    resolver: URLResolver | None = None, prefix: str = "/"
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """`("/dial/<str:number>/", view)`…"""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


def is_open(view: Callable[..., Any]) -> bool:
    """Whether a stranger reaches it."""
    return not getattr(view, "login_required", True)


def is_csrf_exempt(view: Callable[..., Any]) -> bool:
    return getattr(view, "csrf_exempt", False)


def is_api(route: str) -> bool:
    """For programs with a token; its page is for people."""
    return route.startswith("/api/") and route != "/api/"


def is_webhook(view: Callable[..., Any]) -> bool:
    """Answers machines: no session, no form of ours."""
    return is_open(view) and is_csrf_exempt(view)


def finish(answer: Any) -> None:
    """Take a file to its end, as a browser does. Not `close`, which on PostgreSQL ends
    the connection, and with it the test's transaction."""
    if answer.streaming:
        b"".join(answer.streaming_content)
        # Of HEAD, Django's test client forgets the file.
        file = getattr(answer, "file_to_stream", None)
        if file:
            file.close()
