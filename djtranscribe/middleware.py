from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.contrib.messages import get_messages
from django.core.exceptions import MiddlewareNotUsed
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, is_valid_path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from djtranscribe.models import zone_of
from djtranscribe.prefetch import is_prefetch
from djtranscribe.zones import each_in_zone

Handler = Callable[[HttpRequest], HttpResponse]


def strip_path_prefix(get_response: Handler) -> Handler:
    """Remove BASE_URL's path from the request's path if the proxy did not remove it.

    With the BASE_URL https://example.com/calls, `/calls/dial/` becomes `/dial/`. But
    `/calls/<uuid>/` stays: this site has such a page, and has no page `/<uuid>/`.
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


def answer_webhooks_first(get_response: Handler) -> Handler:
    """Answer webhooks at once, without the middleware that only pages need.

    Webhooks need no session or account: each webhook's view authenticates its requests
    (webhooks/ledger.py).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        path = request.path_info
        may_be = request.method == "POST" and path.startswith(settings.WEBHOOK_PATHS)
        match = webhook_at(path) if may_be else None
        if match is None:
            return get_response(request)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response

    return middleware


# Cached, because finding the view takes 5 % of the time of a webhook. A small cache is
# enough, because Twilio's webhooks have only a few fixed paths.
@lru_cache(maxsize=32)
def webhook_at(path: str) -> ResolverMatch | None:
    """Return the webhook at this path, or None."""
    match = is_valid_path(path)
    return match if match and getattr(match.func, "is_webhook", False) else None


def drop_invalid_session_cookie(get_response: Handler) -> Handler:
    """Ignore a session cookie with characters other than letters and digits.

    Django would search the database for the cookie. If the cookie contains NUL,
    PostgreSQL raises an error, and the response would be a 500.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.COOKIES.get(settings.SESSION_COOKIE_NAME, "a").isalnum():
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return get_response(request)

    return middleware


def set_private_cache_control(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Set `Cache-Control: private, no-store` on every response.

    Then the browser's Back button shows nothing after a logout. Audio may be cached:
    the view of the audio sets its own `private` header. A logout clears the browser's
    cache (w3.org/TR/clear-site-data).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if "private" not in response.get("Cache-Control", ""):
            add_never_cache_headers(response)
        if request.method == "POST" and request.path == reverse("admin:logout"):
            response["Clear-Site-Data"] = '"cache"'
        return response

    return middleware


class RefusePrefetch:
    """Refuse prefetches by logged-in users, except for views with `allow_prefetch`.

    A prefetched page would be recorded as read. After a refusal, the browser loads the
    page when somebody opens the page.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if is_prefetch(request):
            # Keep Django's messages for the next page: perhaps nobody sees this page.
            cast(Any, get_messages(request)).used = False
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if (
            is_prefetch(request)
            and request.user.is_authenticated
            and request.method in ("GET", "HEAD")
            and not getattr(view, "allows_prefetch", False)
        ):
            return HttpResponseForbidden("Prefetches are refused.")
        return None


def activate_user_time_zone(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Show times and days in the time zone of the account that is logged in."""

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
