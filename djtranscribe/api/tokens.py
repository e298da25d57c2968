"""Who asks: a token in the header, and nothing else.

No cookie is looked at, so no browser can be tricked into a request that counts, and
CSRF tokens are not needed.
"""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security.base import AuthBase

from djtranscribe.models import ApiToken


class Bearer(AuthBase):
    """Asks for a token whose user has all of these permissions.

    Not ninja's HttpBearer, which logs what it does not understand.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *permissions: str) -> None:
        super().__init__()
        self.permissions = permissions

    def __call__(self, request: HttpRequest) -> ApiToken:
        """Makes the token's user the request's. Raises HttpError, 401 or 403."""
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
    token = ApiToken.objects.known_as(secret.strip())
    if token is None:
        raise HttpError(401, "This token is not known.")
    if token.objection:
        raise HttpError(401, token.objection)
    token.used()
    return token


def user_of(request: HttpRequest) -> User:
    """Of whom the token is: Bearer has seen to that."""
    return cast(User, request.user)
