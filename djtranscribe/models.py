from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone

from djtranscribe.errors import VendorError

# While a vendor is paused, one piece of work is let through this often, to see.
PROBE_AFTER = timedelta(seconds=30)
ONE_SITTING = timedelta(minutes=10)
# Of forged requests so many a minute are kept; the rest are only counted.
REFUSED_A_MINUTE = 30
# The use of a token is written down once in this time, not with each request.
USE_KEPT_EVERY = timedelta(minutes=1)


class VendorPauseQuerySet(models.QuerySet["VendorPause"]):
    @contextmanager
    def asking(self, vendor: str) -> Iterator[None]:
        """Around each request of a worker: none while the vendor is paused.

        Raises a VendorError with `account` then. One that the vendor itself raises
        begins a pause; a request that succeeds ends it.
        """
        pause = self.filter(vendor=vendor).first()
        if pause and not pause.lets_through():
            raise VendorError(pause.reason, permanent=True, account=True)
        try:
            yield
        except VendorError as error:
            if error.account:
                self.begin(error)
            raise
        if pause:
            pause.delete()

    def begin(self, error: VendorError) -> None:
        """Our account is at fault: nothing of this vendor's can go on until mended."""
        probe_at = timezone.now() + PROBE_AFTER
        self.update_or_create(
            vendor=error.vendor,
            defaults={"reason": error.message, "probe_at": probe_at},
        )


class VendorPause(models.Model):
    """A vendor refuses our account (key, balance): work with it waits, none fails.

    It ends when a probe succeeds.
    """

    vendor = models.CharField(max_length=20, unique=True)
    reason = models.TextField()
    since = models.DateTimeField(auto_now_add=True)
    probe_at = models.DateTimeField("next try")

    objects = VendorPauseQuerySet.as_manager()

    class Meta:
        verbose_name = "pause"
        ordering = ["vendor"]

    def __str__(self) -> str:
        return f"{self.vendor} is paused"

    def lets_through(self) -> bool:
        """Whether the caller is the one that may try; of many, exactly one."""
        now = timezone.now()
        # A time further away than any probe is a leftover of a clock put back.
        is_due = self.probe_at <= now or self.probe_at > now + PROBE_AFTER
        mine = VendorPause.objects.filter(pk=self.pk, probe_at=self.probe_at)
        return is_due and bool(mine.update(probe_at=now + PROBE_AFTER))


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


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def known_as(self, secret: str) -> ApiToken | None:
        """The token, with its user; whether it is still good is asked of it.

        It is looked for by its hash: how long that takes tells nothing about a secret.
        Nor are failures counted and slowed down: 256 random bits cannot be guessed.
        """
        tokens = self.select_related("user")
        return tokens.filter(sha256=ApiToken.digest(secret)).first()


class ApiToken(models.Model):
    """What a program shows in place of a person. It can do what its user can do."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        help_text="Whose permissions it has, and whose limits count its calls.",
    )
    name = models.CharField(
        max_length=80, help_text="The program that uses it, such as: CRM import."
    )
    # To tell tokens apart; the rest of the secret is nowhere but with its owner.
    prefix = models.CharField("begins with", max_length=10, editable=False)
    sha256 = models.CharField("SHA-256", max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField("made", auto_now_add=True)
    last_used_at = models.DateTimeField(
        "last used", null=True, blank=True, editable=False
    )
    revoked_at = models.DateTimeField("revoked", null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]
        constraints = [
            # Also what a reload of the page that shows a new one runs into.
            models.UniqueConstraint(
                fields=["user", "name"],
                name="one_token_of_a_name_per_user",
                violation_error_message="This user has a token of this name already. "
                "It is not shown again: revoke it, and make one of another name.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest(secret: str) -> str:
        # Fast on purpose: stretching is for what people can remember.
        return hashlib.sha256(secret.encode()).hexdigest()

    def new_secret(self) -> str:
        """To be shown once: only its hash is stored."""
        secret = f"djt_{secrets.token_urlsafe(32)}"
        self.prefix, self.sha256 = secret[:10], self.digest(secret)
        return secret

    @property
    def objection(self) -> str:
        """Why it opens nothing any more; empty if it does."""
        if self.revoked_at:
            return "This token was revoked."
        if not self.user.is_active:
            return "The account of this token is not active."
        return ""

    def used(self) -> None:
        now = timezone.now()
        if not self.last_used_at or abs(now - self.last_used_at) > USE_KEPT_EVERY:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def keep_refused(self, delivery: WebhookDelivery) -> None:
        """Keep it, unless there is a flood: then it is counted on the last one kept."""
        minute = timezone.now() - timedelta(minutes=1)
        recent = self.filter(
            verdict=WebhookDelivery.Verdict.REFUSED, received_at__gte=minute
        )
        kept = list(recent.values_list("pk", flat=True)[:REFUSED_A_MINUTE])
        if len(kept) < REFUSED_A_MINUTE:
            delivery.save()
        else:
            self.filter(pk=kept[0]).update(more_like_this=F("more_like_this") + 1)

    def prune(self, older_than: timedelta) -> int:
        old = self.filter(received_at__lt=timezone.now() - older_than)
        return old.delete()[0]


class WebhookDelivery(models.Model):
    """The ledger: what reached a webhook, what we made of it, and why."""

    # A new webhook's own name stands for itself.
    KINDS = {
        "twilio-call": "Twilio: state of a call",
        "twilio-record": "Twilio: what to say",
        "twilio-record-done": "Twilio: end of the recording",
        "twilio-recording": "Twilio: state of a recording",
        "assemblyai": "AssemblyAI: end of a job",
    }

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        IGNORED = "ignored", "Ignored"
        DEFERRED = "deferred", "Asked to come again"
        REFUSED = "refused", "Refused"

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=30, db_index=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.TextField(blank=True)
    answer_status = models.PositiveSmallIntegerField("HTTP status of our answer")
    # Which row it is about: our UUID in the callback's URL.
    about = models.CharField(max_length=36, blank=True, db_index=True)
    # What it said; only of authentic ones.
    body = models.JSONField(null=True, blank=True)
    more_like_this = models.PositiveIntegerField(
        "refused in the same minute and not kept", default=0
    )
    replayed_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        indexes = [
            models.Index(fields=["verdict", "-received_at"], name="delivery_by_verdict")
        ]

    def __str__(self) -> str:
        return f"{self.what}, {self.received_at:%d %b %Y %H:%M:%S}"

    @property
    def what(self) -> str:
        return self.KINDS.get(self.kind, self.kind)

    @property
    def is_authentic(self) -> bool:
        return self.verdict != self.Verdict.REFUSED

    def said(self) -> dict[str, Any]:
        return self.body or {}
