"""When to ask Twilio about a call, and what to store if Twilio does not know it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from caller.models.call_queries import CallQuerySet, next_check_time
from caller.models.changes import save_changes, snapshot
from caller.models.progress import Progress
from caller.twilio.client import NOTICE_SECONDS
from caller.twilio.connection import TIMEOUT_SECONDS

# Twilio sets the price some minutes after the call. Until then, ask for the price at
# this interval.
CHECK_PRICE_AFTER = timedelta(minutes=2)
# For this long after a call's end, Twilio may still send its price and recordings.
EXPECT_MORE_FOR = timedelta(minutes=10)
# Accepted difference between Twilio's clock and ours. Our clock may be an hour wrong.
CLOCK_OFF = timedelta(minutes=90)
# Look at Twilio's list of calls again after this time. Until then, our request to place
# the call may still be running.
LOOK_AGAIN_AFTER = timedelta(seconds=sum(TIMEOUT_SECONDS))


class Checks(Progress):
    """Base of Call: the checks at Twilio, in case a webhook is lost."""

    next_check_at = models.DateTimeField(
        default=next_check_time, null=True, blank=True, db_index=True
    )
    # When we first saw that Twilio's list of calls does not contain the call.
    missed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    if TYPE_CHECKING:
        # Call has these.
        Kind: Any
        kind: str
        created_at: datetime
        leg: Any
        recordings: Any

        @property
        def is_conversation(self) -> bool: ...
        @property
        def is_voicemail(self) -> bool: ...

    def mine(self) -> CallQuerySet:
        """Return a queryset of this row."""
        calls: Any = type(self)
        mine: CallQuerySet = calls.objects.filter(pk=self.pk)
        return mine

    def fail_leg(self, error: str) -> None:
        """Mark the operator's phone, if the call has one, as failed.

        If the phone has finished, it keeps its status.
        """
        if self.is_conversation:
            legs: Any = type(self.leg)
            rows = legs.objects.filter(call=self).exclude(status__in=self.FINISHED)
            rows.update(status=self.Status.FAILED, error=error)

    def mark_not_connected(self) -> None:
        """Store that the operator hung up, and that Twilio has called nobody else.

        An unfinished call becomes failed: the operator pressed a key, but Twilio
        refused to call the other party. Without a key, `follow` has canceled the call.
        Afterwards, only the price of the operator's phone can be missing.
        """
        unfinished = self.mine().unfinished()
        unfinished.update(
            status=self.Status.FAILED,
            error="The operator pressed a key, but Twilio did not call this number. "
            "Check in the Twilio console whether the account may call it.",
        )
        self.mine().update(next_check_at=self.next_price_check())

    def mark_deleted_at_twilio(self) -> None:
        """Stop checking this call, because it was deleted at Twilio.

        An unfinished call becomes failed.
        """
        error = "This call was deleted at Twilio before we learned how it ended."
        unfinished = self.mine().unfinished()
        unfinished.update(status=self.Status.FAILED, error=error)
        self.fail_leg(error)
        self.mine().update(next_check_at=None)

    def mark_not_listed(self) -> None:
        """Store that Twilio's list of calls does not contain this call.

        If an earlier look did not find the call either, the call becomes failed. One
        look is not enough, because a clock may have jumped since the request.
        """
        now = timezone.now()
        mine = self.mine().filter(sid=None)
        looked_before = Q(missed_at__lte=now - LOOK_AGAIN_AFTER) | Q(missed_at__gt=now)
        # A call older than CLOCK_OFF needs no second look, because clocks do not jump
        # that far.
        is_old = Q(created_at__lt=now - CLOCK_OFF)
        error = (
            "Twilio's list of calls does not have this call: nothing was dialled. It "
            "is safe to dial again."
        )
        given_up = mine.filter(looked_before | is_old).update(
            status=self.Status.FAILED, error=error, next_check_at=None
        )
        if given_up:
            self.fail_leg(error)
        else:
            mine.filter(missed_at=None).update(
                missed_at=now, next_check_at=next_check_time()
            )

    @property
    def expects_recording(self) -> bool:
        """Whether a completed call should have a recording."""
        is_ended = self.is_voicemail and settings.MACHINE_DETECTION == "hangup"
        return self.kind != self.Kind.CODE and not is_ended

    def schedule_check(self, has_recording: bool | None = None) -> None:
        before = snapshot(self)
        self.next_check_at = self.next_check(has_recording)
        save_changes(self, before)

    def next_check(self, has_recording: bool | None = None) -> datetime | None:
        """Return when to ask Twilio next, or None if nothing is missing.

        has_recording: whether a recording is finished. If None, this method finds out.
        """
        if self.reached < self.rank(self.Status.COMPLETED):
            return next_check_time()
        if self.is_conversation and not self.leg.is_finished:
            return next_check_time()
        if self.status == self.Status.COMPLETED and self.expects_recording:
            if has_recording is None:
                has_recording = getattr(self, "has_recording", None)
            if has_recording is None:
                has_recording = self.recordings.finished().exists()
            if not has_recording:
                return next_check_time()
        return self.next_price_check()

    def next_price_check(self) -> datetime | None:
        """Return when to ask for a missing price next, or None if none is missing.

        Twilio sets the prices of a conversation's two phones independently.
        """
        phones: list[Progress] = [self, self.leg] if self.is_conversation else [self]
        is_missing = any(
            phone.status == self.Status.COMPLETED and phone.price is None
            for phone in phones
        )
        return timezone.now() + CHECK_PRICE_AFTER if is_missing else None

    @property
    def is_long_over(self) -> bool:
        """Whether Twilio will not send anything more about this call."""
        ended_at = self.ended_at
        if not ended_at or ended_at < self.created_at:
            # The end is unknown, or Twilio's clock is behind ours. Assume the longest
            # possible call.
            longest = settings.RECORDING_MAX_SECONDS
            if self.is_conversation:
                longest = settings.CONVERSATION_MAX_SECONDS
            longest += NOTICE_SECONDS
            ended_at = self.created_at + timedelta(seconds=longest)
        return timezone.now() > ended_at + EXPECT_MORE_FOR

    def stop_checking(self) -> None:
        """Stop asking Twilio about this call, because it will not send anything more.

        Unfinished recordings get the status DELETED. An operator's phone whose end was
        not reported gets the status FAILED.
        """
        recordings = self.recordings.unfinished()
        recordings.update(status=recordings.model.Status.DELETED)
        self.fail_leg("Twilio did not report how the call to this phone ended.")
        self.mine().update(next_check_at=None)
