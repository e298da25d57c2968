from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User


class WithProfile(ModelBackend):
    """Load the account of a session together with its profile, in one query."""

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("profile").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
