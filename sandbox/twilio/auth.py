"""The account's login, which everything but the stand-in's own pages needs."""

import base64
import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.twilio.shapes import error, not_found
from sandbox.twilio.state import network

View = Callable[..., HttpResponse]


def authenticated(*methods: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, account: str, **kwargs: Any) -> HttpResponse:
            if not _knows(request.headers.get("Authorization", "")):
                answer = error(401, 20003, "Authenticate")
                answer["WWW-Authenticate"] = 'Basic realm="Twilio API"'
                return answer
            if account != network.account_sid:
                return not_found(request.path)
            if request.method not in methods:
                return error(405, 20004, "Method not allowed")
            return view(request, **kwargs)

        return inner

    return decorate


def _knows(header: str) -> bool:
    expected = f"{network.account_sid}:{network.auth_token}".encode()
    try:
        given = base64.b64decode(header.removeprefix("Basic "), validate=True)
    except ValueError:
        return False
    return header.startswith("Basic ") and hmac.compare_digest(given, expected)
