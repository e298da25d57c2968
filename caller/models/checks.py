"""When to ask Twilio about a call."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from caller.models.call_queries import next_check_time
from caller.models.changes import save_changes, snapshot
from caller.models.progress import Progress

# Twilio sets the price some minutes after the call. Until then, ask for the price at
# this interval.
CHECK_PRICE_AFTER = timedelta(minutes=2)


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
        leg: Any
        recordings: Any

        @property
        def is_conversation(self) -> bool: ...
        @property
        def is_voicemail(self) -> bool: ...

    def fail_leg(self, error: str) -> None:
        """Mark the operator's phone, if the call has one, as failed.

        If the phone has finished, it keeps its status.
        """
        if self.is_conversation:
            legs: Any = type(self.leg)
            rows = legs.objects.filter(call=self).exclude(status__in=self.FINISHED)
            rows.update(status=self.Status.FAILED, error=error)

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
