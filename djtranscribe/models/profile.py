from __future__ import annotations

from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import models


class ProfileQuerySet(models.QuerySet["Profile"]):
    def zone_of(self, user: Any) -> ZoneInfo | None:
        """The zone that an account has chosen; None: the site's. One query.

        user: a User, an AnonymousUser or None.
        """
        if user is None or not user.is_authenticated:
            return None
        rows = self.filter(user=user.pk).exclude(time_zone="")
        # A zone may be unknown on a machine whose zone data are older.
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            for name in rows.values_list("time_zone", flat=True):
                return ZoneInfo(name)
        return None


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

    objects = ProfileQuerySet.as_manager()

    class Meta:
        ordering = ["user"]

    def __str__(self) -> str:
        return f"Profile of {self.user}"
