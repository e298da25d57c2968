"""Middleware for TWO_FACTOR=required: accounts must first set up a second factor."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from djtranscribe.middleware import Handler

# Of the pages that need a login, users without a second factor can open only those with
# these URL names and allauth's pages, whose URL names begin with `mfa_`. There, users
# set up a second factor or log out.
EXEMPT_URL_NAMES = {"account_reauthenticate", "account_logout", "logout", "jsi18n"}


class RequireSecondFactor:
    def __init__(self, get_response: Handler) -> None:
        if settings.TWO_FACTOR != "required":
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        name = (match and match.url_name) or ""
        is_open = name.startswith("mfa_") or name in EXEMPT_URL_NAMES
        if is_open or not getattr(view, "login_required", True):
            return None
        return None if is_allowed(request) else redirect("mfa_index")


def is_allowed(request: HttpRequest) -> bool:
    """Return False if the user must set up a second factor before going on."""
    from allauth.mfa.utils import is_mfa_enabled

    user: Any = request.user
    if not user.is_authenticated or is_mfa_enabled(user):
        return True
    # Single sign-on is enough: its provider decides whether to ask for a second factor.
    methods = {each["method"] for each in get_authentication_records(request)}
    return "socialaccount" in methods
