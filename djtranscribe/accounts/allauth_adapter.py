"""Our changes to the way django-allauth handles logins."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from djtranscribe.public_urls import client_address

BACKEND = "djtranscribe.accounts.backends.WithProfile"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: only administrators create accounts."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Do nothing: django-axes limits failed logins, so allauth must not do it."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def login(self, request: HttpRequest, user: Any) -> None:
        # Django's `authenticate` sets the backend. A login by passkey or provider does
        # not call `authenticate`.
        user.backend = getattr(user, "backend", BACKEND)
        super().login(request, user)
