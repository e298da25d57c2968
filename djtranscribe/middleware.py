from collections.abc import Callable, Iterator
from typing import cast

from django.conf import settings
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils import timezone

from djtranscribe.models import zone_of
from djtranscribe.zones import each_in_zone


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


def in_zone_of_operator(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Show times and days in the zone of the account that is signed in."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        zone = zone_of(request.user)
        with timezone.override(zone):
            response = get_response(request)
        if isinstance(response, StreamingHttpResponse) and not isinstance(
            response, FileResponse
        ):
            pieces = cast("Iterator[bytes]", response.streaming_content)
            response.streaming_content = each_in_zone(pieces, zone)
        return response

    return middleware
