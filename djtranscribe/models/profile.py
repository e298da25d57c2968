from __future__ import annotations

from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """What an account has chosen for itself."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="All times and days are shown in this zone, and filters follow it.",
    )

    class Meta:
        ordering = ["user"]

    def __str__(self) -> str:
        return f"Profile of {self.user}"


def zone_of(user: Any) -> ZoneInfo | None:
    """The zone that an account has chosen; None: the site's.

    user: a User, an AnonymousUser or None. One query, unless its profile is loaded.
    """
    profile = getattr(user, "profile", None)
    if profile is None or not profile.time_zone:
        return None
    # A zone may be unknown on a machine whose zone data are older.
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(profile.time_zone)
    return None
