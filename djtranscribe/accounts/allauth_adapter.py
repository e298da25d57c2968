"""What django-allauth asks us about logins."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from djtranscribe.public_urls import client_address

BACKEND = "djtranscribe.accounts.backends.WithProfile"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Only administrators create accounts."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count no passwords: django-axes does, by name and address together."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def login(self, request: HttpRequest, user: Any) -> None:
        # `authenticate` sets the backend. Passkeys and the provider do without it.
        user.backend = getattr(user, "backend", BACKEND)
        super().login(request, user)
