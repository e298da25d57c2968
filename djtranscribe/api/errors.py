"""Error responses. Each one is JSON: {"detail": "a sentence"}."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from djtranscribe.api.shapes import Problem

logger = logging.getLogger(__name__)

# For the API's documentation: errors that every URL can return.
FAULTS: dict[int, Any] = {401: Problem, 403: Problem, 422: Problem}
NOT_FOUND: dict[int, Any] = {404: Problem}


def problem(status: int, detail: str) -> JsonResponse:
    answer = JsonResponse({"detail": detail}, status=status)
    if status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def add_handlers(api: NinjaAPI) -> None:
    """Make the API answer these exceptions with `problem`."""

    @api.exception_handler(HttpError)
    def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
        return problem(error.status_code, error.message)

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return problem(422, "; ".join(map(sentence, error.errors)))

    @api.exception_handler(Http404)
    def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
        return problem(404, "This does not exist, or it was deleted.")

    @api.exception_handler(PermissionDenied)
    def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        return problem(403, "The account of this token is not allowed to do this.")

    @api.exception_handler(SuspiciousOperation)  # body too large, too many parameters
    @api.exception_handler(UnreadablePostError)  # incomplete body
    def unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
        return problem(400, "The request is too large or incomplete.")

    @api.exception_handler(OperationalError)
    def no_database(request: HttpRequest, error: OperationalError) -> HttpResponse:
        # Log neither the message, which may quote a row, nor the URL's values.
        route = request.resolver_match.route if request.resolver_match else ""
        logger.error("api=%s error=%s", route, type(error).__name__)
        return problem(503, "The database is not available. Retry later.")


def sentence(error: dict[str, Any]) -> str:
    """Describe an error without the value that was sent.

    For example `limit: Input should be less than or equal to 200`.
    """
    where = ".".join(str(part) for part in error["loc"][2:] or error["loc"][1:])
    said = error["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
