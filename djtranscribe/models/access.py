from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

ONE_SITTING = timedelta(minutes=10)


class AccessQuerySet(models.QuerySet["Access"]):
    def note(self, user: Any, action: str, rows: Iterable[models.Model]) -> None:
        """Keep that this user heard or read these; once in ten minutes, since a player
        asks for its audio in many pieces and a page reloads. Two queries."""
        named = {(str(row._meta.verbose_name), row.pk) for row in rows}
        # Of these rows only: a program reads ten thousands in one sitting.
        recent = self.filter(
            user=user,
            action=action,
            at__gt=timezone.now() - ONE_SITTING,
            row__in={row for _, row in named},
        )
        noted = set(recent.values_list("what", "row"))
        self.bulk_create(
            Access(user=user, action=action, what=what, row=row)
            for what, row in named - noted
        )


class Access(models.Model):
    """Who listened to which audio, who read which transcript. Outlives both."""

    class Action(models.TextChoices):
        LISTENED = "listened", "Listened to or downloaded"
        READ = "read", "Read"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    action = models.CharField(max_length=10, choices=Action.choices)
    what = models.CharField(max_length=20)
    row = models.PositiveBigIntegerField("number")

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "accesses"
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["what", "row"], name="access_by_row"),
            models.Index(fields=["user", "at"], name="access_by_user"),
        ]

    def __str__(self) -> str:
        did = "listened to" if self.action == self.Action.LISTENED else "read"
        return f"{self.user or 'Somebody'} {did} {self.what} {self.row}"
