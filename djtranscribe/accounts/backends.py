from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied


class WithProfile(ModelBackend):
    """Load the account of a session together with its profile, in one query."""

    def authenticate(self, *args: Any, **kwargs: Any) -> Any:
        user = super().authenticate(*args, **kwargs)
        if user is None:
            # Do not try the next backend, Django's ModelBackend: it would check the
            # same password again, and a check is slow.
            raise PermissionDenied
        return user

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("profile").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
