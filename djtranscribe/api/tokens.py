"""Authentication by a token in the header.

Cookies are ignored. So another site cannot make a browser send a valid request, and no
CSRF token is needed.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import HttpError
from ninja.security.base import AuthBase

from djtranscribe.models import ApiToken, zone_of


class Bearer(AuthBase):
    """Require a token of a user who has all of these permissions.

    ninja's HttpBearer is not used: with DEBUG, it logs invalid headers, which may
    contain a secret.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *permissions: str) -> None:
        super().__init__()
        self.permissions = permissions

    def __call__(self, request: HttpRequest) -> ApiToken:
        """Set request.user to the token's user. Raises HttpError 401 or 403."""
        token = token_of(request)
        request.user = token.user
        for permission in self.permissions:
            if not request.user.has_perm(permission):
                raise HttpError(
                    403, f"The account of this token needs the permission {permission}."
                )
        return token


def token_of(request: HttpRequest) -> ApiToken:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise HttpError(401, "Send a token in the header Authorization: Bearer djt_...")
    # Load the profile too, because `in_time_zone_of_user` needs it.
    tokens = ApiToken.objects.select_related("user__profile")
    token = tokens.find_by_secret(secret.strip())
    if token is None:
        raise HttpError(401, "This token does not exist.")
    if token.invalid_reason:
        raise HttpError(401, token.invalid_reason)
    token.record_use()
    return token


def user_of(request: HttpRequest) -> User:
    """Return `request.user`, which `Bearer` has set to the user of the token."""
    return cast(User, request.user)


def in_time_zone_of_user(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: use the time zone of the token's account.

    Days in a search (`after:2026-11-01`) and times in an exported transcript are in
    this zone. A session cookie of another account does not change the zone.
    """

    @wraps(view)
    def zoned(request: HttpRequest, *args: Any, **values: Any) -> Any:
        with timezone.override(zone_of(request.user)):
            return view(request, *args, **values)

    return zoned
