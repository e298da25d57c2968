from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def without_odd_session(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A session key is letters and digits. Django asks the database for any other, and
    PostgreSQL refuses a NUL character with an error that would be a 500."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.COOKIES.get(settings.SESSION_COOKIE_NAME, "a").isalnum():
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return get_response(request)

    return middleware
