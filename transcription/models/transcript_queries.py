"""Queries for transcripts: which are due, stuck or failed, and how to claim one."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, Q
from django.utils import timezone

from caller.contacts.models import contact_name_subquery
from djtranscribe.database import lock_until_commit
from djtranscribe.recovery import wait_for_message
from djtranscribe.statements import Parameter, Statement
from transcription.leases import lease_columns, unleased
from transcription.tokens import indexed

if TYPE_CHECKING:
    from transcription.models.transcript import Transcript

# No transcript waits longer than this for its next step. A later `next_attempt_at`
# means that the clock was set back: the transcript is due now.
MAX_WAIT = timedelta(minutes=20)
STUCK_AFTER = timedelta(minutes=15)
# A transcript is a suspect if this many workers were killed during its current step.
# But a worker runs several transcripts at once, so another transcript can be the cause.
# To find the cause, only one suspect is leased at a time.
SUSPECT_KILLS = 2


def with_search_text(columns: dict[str, Any]) -> dict[str, Any]:
    """Add `search_text` to the columns of an UPDATE if `text` is one of them."""
    if "text" in columns:
        return {**columns, "search_text": indexed(columns["text"])}
    return columns


@cache
def claim_statement(
    model: type[Transcript], lease_seconds: float
) -> Statement[Transcript]:
    """Return the UPDATE that claims a row. It leaves out suspects (SUSPECT_KILLS).

    `@cache` keeps one statement for each value of the setting LEASE_SECONDS, because
    the SQL contains this value.
    lease_seconds: the setting. Only `@cache` uses this parameter.
    """
    field = model._meta.get_field
    now: Any = Parameter("now", field("leased_until"))
    due = model.objects.due(now).filter(
        pk=Parameter("pk", field("id")), kills__lt=SUSPECT_KILLS
    )
    lease = Parameter("lease", field("lease"))
    until = Parameter("until", field("leased_until"))
    return Statement(due, announced_at=None, **lease_columns(lease, until))


@cache
def claimed_statement(model: type[Transcript]) -> Statement[Transcript]:
    """Return the SELECT of a row that was just claimed."""
    field = model._meta.get_field
    rows = model.objects.order_by().filter(
        pk=Parameter("pk", field("id")), lease=Parameter("lease", field("lease"))
    )
    return Statement(rows)


class TranscriptQuerySet(models.QuerySet["Transcript"]):
    def update(self, **columns: Any) -> int:
        """Update these columns. If `text` is one of them, also update `search_text`."""
        return super().update(**with_search_text(columns))

    def with_contact_name(self) -> TranscriptQuerySet:
        """Add `contact_name`: the contact's name, for calls in both directions."""
        return self.annotate(
            contact_name=contact_name_subquery("recording__call__other_number")
        )

    def unfinished(self) -> TranscriptQuerySet:
        return self.exclude(status__in=self.model.FINISHED)

    def unclaimed(self, now: datetime) -> TranscriptQuerySet:
        return self.filter(unleased(now, timedelta(seconds=settings.LEASE_SECONDS)))

    def due(self, now: datetime) -> TranscriptQuerySet:
        """Unfinished rows whose next step is due, and that no worker has leased."""
        is_due = Q(next_attempt_at__lte=now) | Q(next_attempt_at__gt=now + MAX_WAIT)
        return self.unfinished().unclaimed(now).filter(is_due)

    def without_message(self, now: datetime) -> TranscriptQuerySet:
        """Rows that have no message in the queue, or whose message may be lost.

        `announced_at` is set just before a message (tasks.advance) is queued. It is
        None again when a worker has received the message.
        """
        # An older message counts as lost: the process may have died before it queued
        # the message.
        oldest = now - wait_for_message()
        return self.exclude(announced_at__gt=oldest, announced_at__lte=now)

    def current(self) -> TranscriptQuerySet:
        """Rows that are not from a back-fill (reconcile --all)."""
        return self.filter(priority__gte=0)

    def stuck(self, now: datetime) -> TranscriptQuerySet:
        """Unfinished rows that are older than STUCK_AFTER."""
        return self.unfinished().filter(created_at__lt=now - STUCK_AFTER)

    def paused(self) -> TranscriptQuerySet:
        """Rows that wait: a vendor is busy, or refuses our account or settings."""
        account = self.model.ErrorClass.ACCOUNT
        return self.unfinished().filter(error_class=account)

    def failed(self) -> TranscriptQuerySet:
        return self.filter(status=self.model.Status.ERROR)

    def suspected(self, now: datetime) -> TranscriptQuerySet:
        """Suspects (see SUSPECT_KILLS) that are leased now."""
        # A worker adds 1 to `kills` in advance, in case it is killed. So `kills` of a
        # leased suspect is more than SUSPECT_KILLS.
        rows = self.unfinished().filter(kills__gt=SUSPECT_KILLS)
        return rows.exclude(unleased(now, timedelta(seconds=settings.LEASE_SECONDS)))

    def claim(self, pk: int) -> Transcript | None:
        """Lease a row for LEASE_SECONDS and return it. Return None in these cases:

        - The row is finished, not due or leased already.
        - The row is a suspect (see SUSPECT_KILLS), and another suspect is leased.
        """
        now, lease, until = timezone.now(), uuid4(), self.model.lease_end()
        claim = claim_statement(self.model, settings.LEASE_SECONDS)
        claimed = claim.update(pk=pk, now=now, lease=lease, until=until)
        row = self.filter(pk=pk)
        if not claimed and row.filter(kills__gte=SUSPECT_KILLS).exists():
            alone = self.due(now).filter(~Exists(self.suspected(now)), pk=pk)
            with transaction.atomic():
                # Otherwise, two workers could claim two suspects at the same moment.
                lock_until_commit("transcription.suspects")
                claimed = alone.update(announced_at=None, **lease_columns(lease, until))
        if not claimed:
            return None
        return claimed_statement(self.model).first(pk=pk, lease=lease)
