"""Leases: which worker works on a row, and until when.

The rows are transcripts and notifications. Other models use only `unleased`.

The column `kills` counts the workers that were killed during a step, for example
because the machine ran out of memory. A worker adds 1 in advance, in case it is killed:
- It adds the 1 when it takes the lease.
- After a success or a final failure, it sets `kills` to 0. If the failure is that the
  row has killed too many workers, `kills` stays at MAX_KILLS.
- After any other outcome, such as a retry, it subtracts its 1.
- If it is killed, it cannot subtract its 1, so the 1 stays.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import Error
from django.db.models import F, Q
from django.db.models.functions import Greatest

# How far the clocks of two machines may differ.
CLOCK_SKEW = timedelta(minutes=5)
# Give up a step after it has killed this many workers.
MAX_KILLS = 5

# {lease: row} for each row that this process works on.
_held: dict[UUID, Any] = {}
# The database was down when `_uncount` wanted to subtract 1 from `kills` of these rows.
# The next call of `_uncount` tries again.
_uncounted: deque[Any] = deque()
_stopping = threading.Event()
_renewing = threading.Lock()


class LeaseLost(Exception):
    """We no longer hold the lease: another worker took it, or the row was deleted."""


def unleased(now: datetime, lasts: timedelta) -> Q:
    """Return the condition that a row is not leased.

    lasts: how long a lease lasts. If a lease ends too far in the future, the clock was
    set back: ignore the lease.
    """
    longest = now + lasts + CLOCK_SKEW
    return Q(leased_until=None) | Q(leased_until__lte=now) | Q(leased_until__gt=longest)


def lease_columns(lease: Any, until: Any) -> dict[str, Any]:
    """Return the columns for the UPDATE that takes a lease.

    lease: a new UUID. until: the end of the lease. Each may be a statements.Parameter.
    A worker adds 1 to `kills` in advance, in case it is killed.
    """
    return {"lease": lease, "leased_until": until, "kills": F("kills") + 1}


def kills_without_own(row: Any) -> Any:
    """Return the new value of `kills` if this worker was not killed.

    A worker adds 1 in advance, in case it is killed. Subtract this 1, unless
    `stop_counting_kills` has subtracted it already.
    """
    # A row that is still in `_held` waits for its turn in `stop_counting_kills`.
    is_subtracted = _stopping.is_set() and row.lease not in _held
    return F("kills") if is_subtracted else Greatest(F("kills") - 1, 0)


def killed_workers_message(work: str) -> str:
    """Explain to operators why a row failed. work: such as "fetching the audio"."""
    return (
        f"The worker was killed {MAX_KILLS} times while it was {work}. Usually the "
        "machine ran out of memory: check its system log. Give the worker more "
        "memory or a lower --concurrency, then retry."
    )


@contextmanager
def hold_lease(row: Any) -> Iterator[None]:
    """Context manager for the work on a row that was just claimed.

    A worker adds 1 to `kills` in advance, in case it is killed. This function subtracts
    the 1 after an exception, because then the worker was not killed. If the worker is
    stopping, it subtracts the 1 before the work (see `stop_counting_kills`).
    """
    _uncount()
    _held[row.lease] = row
    if _stopping.is_set():
        stop_counting_kills()
    try:
        yield
    except BaseException:
        if _held.pop(row.lease, None):
            _uncount(row)
        raise
    finally:
        _held.pop(row.lease, None)


def renew(row: Any, until: datetime) -> None:
    """Extend the leases of `row` and of this process's other rows of the same model.

    Skip a row if `keep_lease` was not called since the row's last extension, because
    perhaps the row's thread hangs. Set `has_lost_lease` of the rows that have lost
    their leases.
    """
    with _renewing:
        rows = {
            lease: each
            for lease, each in {**_held, row.lease: row}.items()
            if isinstance(each, type(row)) and each.worked_at > each.lease_kept_at
        }
        now = time.monotonic()
        keys = [each.pk for each in rows.values()]
        ours = type(row)._default_manager.filter(pk__in=keys, lease__in=rows)
        if ours.update(leased_until=until) < len(rows):
            kept = set(ours.values_list("lease", flat=True))
            for lease, each in rows.items():
                each.has_lost_lease = lease not in kept
        for each in rows.values():
            each.lease_kept_at = now


def stop_counting_kills() -> None:
    """Subtract 1 from `kills` of all rows that this worker works on.

    A worker adds 1 in advance, in case it is killed. But this worker is stopping: if it
    is killed now, the rows are not the cause.
    """
    _stopping.set()
    for lease in list(_held):
        if row := _held.pop(lease, None):
            _uncount(row)


def _uncount(*extra: Any) -> None:
    """Subtract 1 from `kills` of these rows. Also retry the rows in `_uncounted`.

    A worker adds 1 in advance, in case it is killed. Subtract the 1 of this worker.
    """
    _uncounted.extend(extra)
    for _ in range(len(_uncounted)):
        with suppress(IndexError):  # another thread has taken the row
            row = _uncounted.popleft()
            # Another worker may hold the lease now. If `kills` is 1, that worker has
            # added it, and our 1 is gone. Then do not subtract anything.
            ours = Q(kills__gt=1) | Q(lease=None) | Q(lease=row.lease)
            rows = type(row)._default_manager.filter(ours, pk=row.pk, kills__gt=0)
            try:
                rows.update(kills=F("kills") - 1)
            except Error:
                # The database is down. The next call of `_uncount` retries.
                _uncounted.append(row)
                return
