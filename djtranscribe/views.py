import sys

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views import defaults
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from djtranscribe import monitoring
from djtranscribe.models import VendorPause

# If work is overdue by this many seconds, healthz answers 503: probably no worker is
# running.
LATE_SECONDS = 300


# We do not use Django's own views for 400 and 404: they read the body of the request to
# check the CSRF token. If the body is invalid, they fail, and the answer is a 500.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponseBadRequest(render_to_string("400.html"))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return an error page: 503 if the database is away, 500 for any other error.

    The page does not use the database.
    """
    is_away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if is_away and request.path == reverse("healthz"):
        # The view did not run, because a middleware could not read the session.
        return database_down_response()
    answer = defaults.server_error(request, "503.html" if is_away else "500.html")
    answer.status_code = 503 if is_away else 500
    return answer


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """Tell monitors whether this site works: 200, or 503 and the reason.

    The response contains nothing secret: {"ok": bool, "database": "ok" | "away",
    "overdue_seconds": int, "paused": {vendor: reason}}. `overdue_seconds` is the delay
    of the oldest transcript, notification or check of a call. If the database is away,
    `overdue_seconds` and `paused` are missing.
    """
    try:
        overdue = monitoring.overdue_seconds(timezone.now())
        paused = dict(
            VendorPause.objects.exclude_busy().values_list("vendor", "reason")
        )
    except Error:
        return database_down_response()
    ok = not paused and overdue < LATE_SECONDS
    state = {"ok": ok, "database": "ok", "overdue_seconds": overdue, "paused": paused}
    return JsonResponse(state, status=200 if ok else 503)


def database_down_response() -> JsonResponse:
    return JsonResponse({"ok": False, "database": "away"}, status=503)


@require_safe
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """Return numbers for Prometheus, if METRICS_TOKEN is sent as a bearer token."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not monitoring.may_read_metrics(request):
        answer = HttpResponse("The token is wrong or missing.\n", status=401)
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(monitoring.registry()), content_type=content_type)
