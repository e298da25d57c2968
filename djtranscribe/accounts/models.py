from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

REPEAT_PERIOD = timedelta(minutes=10)


class AccessQuerySet(models.QuerySet["Access"]):
    def log(self, user: Any, action: str, rows: Iterable[models.Model]) -> None:
        """Store that this user did `action` with these recordings or transcripts.

        Store the same access at most once in ten minutes: a player requests audio in
        many pieces, and pages reload.
        """
        named = {(str(row._meta.verbose_name), row.pk) for row in rows}
        # Load only the accesses to these rows. In ten minutes, a program may have read
        # tens of thousands of other rows.
        recent = self.filter(
            user=user,
            action=action,
            at__gt=timezone.now() - REPEAT_PERIOD,
            row__in={row for _, row in named},
        )
        noted = set(recent.values_list("what", "row"))
        self.bulk_create(
            Access(user=user, action=action, what=what, row=row)
            for what, row in named - noted
        )


class Access(models.Model):
    """An entry of the access log: what a user did with a recording or transcript.

    The entry stays when the recording or transcript is deleted.
    """

    class Action(models.TextChoices):
        LISTENED = "listened", "Listened to or downloaded"
        READ = "read", "Read"
        CORRECTED = "corrected", "Corrected"
        VERIFIED = "verified", "Verified"
        REOPENED = "reopened", "Reopened"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    action = models.CharField(max_length=10, choices=Action.choices)
    what = models.CharField(max_length=20)
    row = models.PositiveBigIntegerField("ID")

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "access log"
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["what", "row"], name="access_by_row"),
            models.Index(fields=["user", "at"], name="access_by_user"),
        ]

    def __str__(self) -> str:
        did = "listened to" if self.action == self.Action.LISTENED else self.action
        return f"{self.user or 'Somebody'} {did} {self.what} {self.row}"


# Store `last_used_at` at most once in this time, so that not every request writes.
LAST_USED_PRECISION = timedelta(minutes=1)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def find_by_secret(self, secret: str) -> ApiToken | None:
        """Return the token with this secret, or None.

        Check `invalid_reason` before use: the token may be revoked.

        The database compares hashes, so the time of a query does not help to guess a
        secret. Attempts are not limited, because nobody can guess 256 random bits.
        """
        tokens = self.select_related("user")
        return tokens.filter(sha256=ApiToken.digest(secret)).first()


class ApiToken(models.Model):
    """A secret with which a program acts as a user."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        help_text="The token has the permissions of this account. Its calls count "
        "toward the limits of this account.",
    )
    name = models.CharField(
        max_length=80, help_text="The program that uses it, such as: CRM import."
    )
    # The first characters of the secret, so that people can tell tokens apart. The rest
    # is not stored.
    prefix = models.CharField("begins with", max_length=10, editable=False)
    sha256 = models.CharField("SHA-256", max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)
    last_used_at = models.DateTimeField(
        "last used", null=True, blank=True, editable=False
    )
    revoked_at = models.DateTimeField("revoked", null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]
        constraints = [
            # Reloading the page with the secret sends the form again. Then this
            # constraint prevents a second token.
            models.UniqueConstraint(
                fields=["user", "name"],
                name="one_token_of_a_name_per_user",
                violation_error_message="This account already has a token with this "
                "name. The secret of a token cannot be shown again. Revoke the old "
                "token and create one with another name.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest(secret: str) -> str:
        # A fast hash is enough for random secrets. Only passwords need a slow hash.
        return hashlib.sha256(secret.encode()).hexdigest()

    def new_secret(self) -> str:
        """Create and return the secret. Show it now, because it is not stored.

        The token gets only the hash and the first characters of the secret.
        """
        secret = f"djt_{secrets.token_urlsafe(32)}"
        self.prefix, self.sha256 = secret[:10], self.digest(secret)
        return secret

    @property
    def invalid_reason(self) -> str:
        """The reason why the token is no longer valid, or ""."""
        if self.revoked_at:
            return "This token was revoked."
        if not self.user.is_active:
            return "The account of this token is not active."
        return ""

    def record_use(self) -> None:
        now = timezone.now()
        if not self.last_used_at or abs(now - self.last_used_at) > LAST_USED_PRECISION:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)


class Profile(models.Model):
    """The time zone that an account has chosen, and when it got a password link."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="All times and days are shown in this zone, and filters follow it.",
    )
    # When the last link for a new password was sent. None if no link was sent, or if
    # the last e-mail could not be sent.
    reset_link_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["user"]

    def __str__(self) -> str:
        return f"Profile of {self.user}"


class Session(AbstractBaseSession):
    """A session with a column for its user. `sessions.py` writes and lists sessions."""

    # None if nobody is logged in. The database has no foreign-key constraint, because a
    # request may store its session while somebody deletes the user.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="+",
    )

    def __str__(self) -> str:
        # This text must not contain the key, which is secret: admin shows the text
        # before it deletes an account.
        return f"Session until {self.expire_date:%Y-%m-%d}"

    @classmethod
    def get_session_store_class(cls) -> Any:
        from djtranscribe.accounts.sessions import SessionStore

        return SessionStore


def zone_of(user: Any) -> ZoneInfo | None:
    """Return the time zone that an account has chosen. None: use TIME_ZONE.

    user: a User, an AnonymousUser or None. Makes a query if user.profile is not loaded.
    """
    profile = getattr(user, "profile", None)
    if profile is None or not profile.time_zone:
        return None
    # This machine's list of time zones is perhaps too old to contain the chosen zone.
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(profile.time_zone)
    return None
