"""HTTP authentication by account or API key, for all URLs except the sandbox pages.

POST /_sandbox/api-key {"kind": ...} changes what the API key may do, to test errors
20003, 20008 and 70051 (see twilio.com/docs/api/errors).
"""

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
            user = _user(request.headers.get("Authorization", ""))
            if not user:
                answer = error(401, 20003, "Authenticate")
                answer["WWW-Authenticate"] = 'Basic realm="Twilio API"'
                return answer
            if user == network.api_key and (refused := _refused(request)):
                return refused
            if account != network.account_sid:
                return not_found(request.path)
            if request.method not in methods:
                return error(405, 20004, "Method not allowed")
            return view(request, **kwargs)

        return inner

    return decorate


def _user(header: str) -> str:
    """Return the authenticated account or API key, or "" if the login is refused."""
    known = {network.account_sid: network.auth_token}
    if network.api_key and network.api_key_kind != "deleted":
        known[network.api_key] = network.api_secret
    try:
        given = base64.b64decode(header.removeprefix("Basic "), validate=True)
    except ValueError:
        return ""
    for user, password in known.items():
        expected = f"{user}:{password}".encode()
        if header.startswith("Basic ") and hmac.compare_digest(given, expected):
            return user
    return ""


def _refused(request: HttpRequest) -> HttpResponse | None:
    """Return the error for a request that the API key may not send, else None."""
    if network.api_key_kind == "restricted" and "/Recordings" in request.path:
        return error(403, 70051, "Authorization Error")
    is_dialling = request.method == "POST" and request.path.endswith("/Calls.json")
    if network.api_key_kind == "test" and not is_dialling:
        message = "Resource not accessible with Test Account Credentials"
        return error(403, 20008, message)
    return None
