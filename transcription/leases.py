"""Leases: which row a worker holds, until when, and how many workers died on it.

`kills` goes up by one when a lease is taken. A success sets it to 0, and any other
report takes the one back. So a row that nobody works on has as many `kills` as its
present step has killed workers.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import Error
from django.db.models import F, Q
from django.db.models.functions import Greatest

# How far the clocks of two machines may differ.
CLOCK_SKEW = timedelta(minutes=5)
# So many killed workers are enough: the step is given up.
MAX_KILLS = 5
# For every report except success: the worker was not killed by this attempt.
NOT_KILLED = Greatest(F("kills") - 1, 0)

_held: dict[UUID, Any] = {}
_uncounted: deque[Any] = deque()
_stopping = threading.Event()


class LeaseLost(Exception):
    """Another worker has taken the row over: whatever we did, it now decides."""


def free(now: datetime, lasts: timedelta) -> Q:
    """Nobody works on these. A lease that ends later than any lease can is a
    leftover of a clock that was put back, and holds nothing."""
    longest = now + lasts + CLOCK_SKEW
    return Q(lease=None) | Q(leased_until__lte=now) | Q(leased_until__gt=longest)


def taken(until: datetime) -> dict[str, Any]:
    """Columns for the UPDATE that takes a row."""
    return {"lease": uuid4(), "leased_until": until, "kills": F("kills") + 1}


def given_up(work: str) -> str:
    """Reason for the operator. work: "… while it was {work}"."""
    return (
        f"The worker was killed {MAX_KILLS} times while it was {work}. Most often the "
        "machine ran out of memory: its system log says so. Give the worker more "
        "memory or fewer --threads, then try again."
    )


@contextmanager
def holding(row: Any) -> Iterator[None]:
    """Work on a row that was just claimed.

    An exception means that this process is alive (lease lost, database away, Ctrl-C),
    so the attempt does not count as a kill. After `stop` none counts.
    """
    _uncount()
    _held[row.lease] = row
    if _stopping.is_set():
        stop()
    try:
        yield
    except BaseException:
        if _held.pop(row.lease, None):
            _uncount(row)
        raise
    finally:
        _held.pop(row.lease, None)


def stop() -> None:
    """The process was told to stop: it may be killed before its work has ended, and
    that is nobody's fault."""
    _stopping.set()
    for lease in list(_held):
        if row := _held.pop(lease, None):
            _uncount(row)


def _uncount(*extra: Any) -> None:
    """Take back the kill counted for these rows, and for those of earlier tries."""
    _uncounted.extend(extra)
    for _ in range(len(_uncounted)):
        with suppress(IndexError):  # another thread was faster
            row = _uncounted.popleft()
            # While another worker has the row, one is that worker's.
            ours = Q(kills__gt=1) | Q(lease=None) | Q(lease=row.lease)
            rows = type(row)._default_manager.filter(ours, pk=row.pk, kills__gt=0)
            try:
                rows.update(kills=F("kills") - 1)
            except Error:
                # The database is away. The next claim tries again.
                _uncounted.append(row)
                return
