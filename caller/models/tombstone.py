from __future__ import annotations

from collections.abc import Iterable

from django.db import models


class TombstoneQuerySet(models.QuerySet["Tombstone"]):
    def sids(self, sids: Iterable[str]) -> set[str]:
        """Return the given SIDs that have a tombstone. One query."""
        return set(self.filter(sid__in=sids).values_list("sid", flat=True))


class Tombstone(models.Model):
    """A call or recording that was deleted on this site.

    Webhooks and `reconcile` do not store it again. Only `manage.py transcribe <SID>`
    does, and it deletes the tombstone.
    """

    sid = models.CharField("SID", max_length=34, unique=True)
    deleted_at = models.DateTimeField(auto_now_add=True)

    objects = TombstoneQuerySet.as_manager()

    def __str__(self) -> str:
        return self.sid
