"""When to ask Twilio next about a call: for its price, or after a lost webhook."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from caller.models.call_queries import next_check_time

if TYPE_CHECKING:
    from caller.models.call import Call

# Twilio sets the price some minutes after the call. Ask for the price at this interval,
# until call_check.LATE_DATA_PERIOD after the end of the call.
CHECK_PRICE_AFTER = timedelta(minutes=2)


def next_check(call: Call, has_recording: bool | None = None) -> datetime | None:
    """Return when to ask Twilio next, or None if nothing is missing.

    has_recording: whether a recording is finished. None: use the attribute from
    CallQuerySet.with_has_recording, or run a query.
    """
    if call.current_rank < call.rank(call.Status.COMPLETED):
        return next_check_time()
    if call.is_conversation and not call.leg.is_finished:
        return next_check_time()
    if call.status == call.Status.COMPLETED and call.expects_recording:
        if has_recording is None:
            has_recording = getattr(call, "has_recording", None)
        if has_recording is None:
            has_recording = call.recordings.finished().exists()
        if not has_recording:
            return next_check_time()
    return next_price_check(call)


def next_price_check(call: Call) -> datetime | None:
    """Return when to ask for a missing price next, or None if none is missing."""
    is_missing = any(
        phone.status == call.Status.COMPLETED and phone.price is None
        for phone in call.phones
    )
    return timezone.now() + CHECK_PRICE_AFTER if is_missing else None
