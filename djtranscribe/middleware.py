from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.urls import is_valid_path

Handler = Callable[[HttpRequest], HttpResponse]


def without_prefix(get_response: Handler) -> Handler:
    """Remove BASE_URL's path from the request's path if the proxy did not remove it.

    Under `/calls`, `/calls/dial/` and `/dial/` are the same page. A proxy that removes
    the path sends `/calls/<uuid>/` for a call's page: that is left as it is, because
    `/<uuid>/` is no page. A system check refuses paths where both could be a page.
    """
    prefix = settings.FORCE_SCRIPT_NAME
    if not prefix:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if f"{path}/".startswith(f"{prefix}/"):
            rest = path.removeprefix(prefix) or "/"
            if is_page(rest) or not is_page(path):
                request.path_info, request.path = rest, prefix + rest
        return get_response(request)

    return middleware


def is_page(path: str) -> bool:
    """Whether a page is at this path, or at this path with a slash added."""
    return bool(is_valid_path(path) or is_valid_path(f"{path}/"))


def without_odd_session(get_response: Handler) -> Handler:
    """A session key is letters and digits. Django asks the database for any other, and
    PostgreSQL refuses a NUL character with an error that would be a 500."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.COOKIES.get(settings.SESSION_COOKIE_NAME, "a").isalnum():
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return get_response(request)

    return middleware
