"""Endpoints under /_sandbox/ that both stand-ins have: switches and logs."""

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from sandbox.web import evidence

View = Callable[[HttpRequest], HttpResponse]


def answer(data: Any, status: int = 200) -> JsonResponse:
    return JsonResponse(data, safe=False, status=status)


def posted(handle: Callable[[Any], Any]) -> View:
    """Return a view that calls ``handle`` with the JSON body and sends its result.

    A ValueError (such as invalid JSON), TypeError or AttributeError becomes HTTP 400.
    """

    def view(request: HttpRequest) -> HttpResponse:
        try:
            return answer(handle(json.loads(request.body or b"null")))
        except (ValueError, TypeError, AttributeError) as error:
            return answer({"error": str(error)}, status=400)

    return view


def listed(get: Callable[[], list[Any]], clear: Callable[[], None]) -> View:
    def view(request: HttpRequest) -> HttpResponse:
        if request.method == "DELETE":
            clear()
            return answer([])
        return answer(get())

    return view


def faults(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":

        def add(rules: Any) -> Any:
            evidence.faults.add(rules if isinstance(rules, list) else [rules])
            return evidence.faults.list()

        return posted(add)(request)
    return listed(evidence.faults.list, evidence.faults.clear)(request)


def webhooks(request: HttpRequest) -> HttpResponse:
    """Return the settings of webhooks. POST replaces the settings.

    DELETE sends the webhooks that the mode "held" has kept.
    """
    if request.method == "POST":

        def configure(settings: Any) -> Any:
            evidence.postman.configure(settings)
            return evidence.postman.settings

        return posted(configure)(request)
    if request.method == "DELETE":
        evidence.postman.release()
    return answer(evidence.postman.settings)


requests = listed(evidence.requests.list, evidence.requests.clear)
deliveries = listed(
    lambda: list(evidence.postman.deliveries), evidence.postman.deliveries.clear
)

urlpatterns = [
    path("_sandbox/requests", requests),
    path("_sandbox/deliveries", deliveries),
    path("_sandbox/faults", faults),
    path("_sandbox/webhooks", webhooks),
]
