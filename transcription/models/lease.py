"""A row on which somebody works, until when; see `claim` of the rows that have one."""

from datetime import datetime, timedelta

from django.db.models import Q

# How far the clocks of two machines may differ.
CLOCK_SKEW = timedelta(minutes=5)


class LeaseLost(Exception):
    """Another worker has taken the row over: whatever we did, it now decides."""


def free(now: datetime, lasts: timedelta) -> Q:
    """Nobody works on these. A lease that ends later than any lease can is a
    leftover of a clock that was put back, and holds nothing."""
    longest = now + lasts + CLOCK_SKEW
    return Q(lease=None) | Q(leased_until__lte=now) | Q(leased_until__gt=longest)
