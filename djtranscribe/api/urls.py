from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from djtranscribe.api import docs, errors
from djtranscribe.api.operations import api

app_name = "api"


def for_programs(view: Callable[..., HttpResponseBase]) -> Callable[..., Any]:
    """A token in place of the login; no cookie counts, so no CSRF token is needed."""

    @csrf_exempt
    @login_not_required
    def open_view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, **kwargs)
        if answer.status_code == 405:
            allowed = answer["Allow"]
            answer = errors.problem(405, f"Methods of this address are: {allowed}.")
            answer["Allow"] = allowed
        return answer

    return open_view


def nothing(request: HttpRequest) -> HttpResponseBase:
    return errors.problem(
        404, "There is nothing at this address. /api/ lists the addresses there are."
    )


urlpatterns = [
    path("", docs.page, name="docs"),
    path("openapi.json", docs.openapi, name="openapi"),
    *(
        path(str(each.pattern), for_programs(each.callback), name=each.name)
        for each in api.urls[0]
        # Its root would stand where our page does.
        if isinstance(each, URLPattern) and each.name != "api-root"
    ),
    # Not <path:>, which has no line breaks.
    re_path(r"^[\s\S]+$", for_programs(nothing), name="nothing"),
]
