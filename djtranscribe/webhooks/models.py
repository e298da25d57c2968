from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.formats import date_format

# Store at most this many refused requests per minute. Only count the others.
MAX_REFUSED_PER_MINUTE = 30


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def store_refused(self, delivery: WebhookDelivery) -> None:
        """Store a refused delivery.

        If the last minute has MAX_REFUSED_PER_MINUTE rows already, store no row. Only
        add 1 to `more_like_this` of the newest row.
        """
        minute = timezone.now() - timedelta(minutes=1)
        recent = self.filter(
            verdict=WebhookDelivery.Verdict.REFUSED, received_at__gte=minute
        )
        kept = list(recent.values_list("pk", flat=True)[:MAX_REFUSED_PER_MINUTE])
        if len(kept) < MAX_REFUSED_PER_MINUTE:
            delivery.save()
        else:
            self.filter(pk=kept[0]).update(more_like_this=F("more_like_this") + 1)

    def prune(self, older_than: timedelta) -> int:
        old = self.filter(received_at__lt=timezone.now() - older_than)
        return old.delete()[0]


class WebhookDelivery(models.Model):
    """A request to a webhook, what we did with it, and why."""

    # {kind: its label}, see `ledger.webhook`. An old row may have another kind.
    LABELS: ClassVar[dict[str, str]] = {}

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        IGNORED = "ignored", "Ignored"
        DEFERRED = "deferred", "Retry requested"
        REFUSED = "refused", "Refused"

    received_at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=30)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.TextField(blank=True)
    answer_status = models.PositiveSmallIntegerField("HTTP status of our answer")
    # UUID of the call or transcript, from the callback URL.
    about = models.CharField(max_length=36, blank=True)
    # The request's fields. None for a refused request, and for a call that we deleted.
    body = models.JSONField(null=True, blank=True)
    more_like_this = models.PositiveIntegerField(
        "more requests refused in the same minute (not stored)", default=0
    )
    replayed_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        # Not `db_index`: on PostgreSQL, it gives text columns a second index, for LIKE.
        indexes = [
            models.Index(
                fields=["verdict", "-received_at"], name="delivery_by_verdict"
            ),
            models.Index(fields=["kind"], name="delivery_by_kind"),
            models.Index(fields=["about"], name="delivery_by_about"),
        ]

    def __str__(self) -> str:
        received = timezone.localtime(self.received_at)
        return f"{self.what}, {date_format(received, 'DATETIME_FORMAT')}"

    @property
    def what(self) -> str:
        return self.LABELS.get(self.kind, self.kind)

    def fields(self) -> dict[str, Any]:
        return self.body or {}
