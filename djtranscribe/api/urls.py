from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, re_path, reverse
from django.views.decorators.csrf import csrf_exempt

from djtranscribe.api import docs, errors
from djtranscribe.api.operations import api

app_name = "api"


def exempt_from_login_and_csrf(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., Any]:
    """Exempt a view from login and CSRF checks, and answer a wrong method with JSON.

    Each operation checks a token. `unknown_url` needs no check: it always answers 404.
    """

    @csrf_exempt
    @login_not_required
    def open_view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, **kwargs)
        if answer.status_code == 405:
            allowed = answer["Allow"]
            answer = errors.problem(405, f"This URL accepts only: {allowed}.")
            answer["Allow"] = allowed
        return answer

    return open_view


def unknown_url(request: HttpRequest) -> HttpResponseBase:
    page = reverse("api:docs")
    return errors.problem(404, f"This URL does not exist. {page} lists all URLs.")


urlpatterns = [
    path("", docs.page, name="docs"),
    path("openapi.json", docs.openapi, name="openapi"),
    *(
        path(
            str(each.pattern), exempt_from_login_and_csrf(each.callback), name=each.name
        )
        for each in api.urls[0]
        # Leave out ninja's root URL: our documentation page has the same path.
        if isinstance(each, URLPattern) and each.name != "api-root"
    ),
    # Use a regular expression, because <path:…> does not match line breaks.
    re_path(r"^[\s\S]+$", exempt_from_login_and_csrf(unknown_url), name="nothing"),
]
