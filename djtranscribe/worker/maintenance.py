"""Maintenance: queue overdue work (the sweep) and delete what has expired."""

import threading
from collections.abc import Callable
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

import caller.tasks
import transcription.retention.tasks
import transcription.tasks
from caller.recordings import cleanup
from djtranscribe.accounts.sessions import SessionStore
from djtranscribe.database import release_connection
from djtranscribe.models import WebhookDelivery
from djtranscribe.recovery import sweep_interval
from djtranscribe.worker.engines import engine
from djtranscribe.worker.loops import (
    RETRY_SECONDS,
    close_connection,
    log_and_reconnect,
)
from transcription.models import Notification

PRUNE_SECONDS = 3600
DELIVERY_RETENTION = timedelta(days=30)
ABANDONED_AFTER = timedelta(days=1)


def run_maintenance(stopping: threading.Event) -> None:
    """Run the sweep at intervals, until `stopping` is set."""
    while not stopping.is_set():
        is_done = run_step(sweep)
        stopping.wait(sweep_interval().total_seconds() if is_done else RETRY_SECONDS)


def run_pruning(stopping: threading.Event) -> None:
    """Delete what has expired, every PRUNE_SECONDS, until `stopping` is set.

    This has its own thread: listing a million files in an object store takes minutes.
    """
    while not stopping.is_set():
        for step in PRUNING:
            if not stopping.is_set():
                run_step(step)
        stopping.wait(PRUNE_SECONDS)
    close_connection()


def run_step(step: Callable[[], object]) -> bool:
    """Run a step. Log its error instead of raising it. Return whether it succeeded."""
    try:
        step()
    except Exception as error:
        log_and_reconnect(step.__name__, error)
        return False
    finally:
        release_connection()
    return True


def sweep() -> None:
    """Queue overdue calls and transcripts, unless enough messages wait already."""
    # Look for both backlogs before caller.tasks.sweep queues messages. Celery's broker
    # has one queue for all tasks. So these new messages would look like a backlog of
    # transcripts.
    has_backlog = engine().has_backlog
    check_call, advance = caller.tasks.check_call, transcription.tasks.advance
    calls = caller.tasks.is_due() and not has_backlog(check_call)
    transcripts = transcription.tasks.is_due() and not has_backlog(advance)
    back_fill = transcripts and not has_backlog(advance, back_fill=True)
    try:
        if calls:
            caller.tasks.sweep()
    finally:
        # Run this sweep even if the sweep of calls has failed.
        if transcripts:
            transcription.tasks.sweep(back_fill=back_fill)


def prune_messages() -> None:
    """Delete old messages from the queue in our database."""
    now = timezone.now()
    was_started = Q(started_at__lt=now - ABANDONED_AFTER)
    # Some messages never start: if the site changes to Celery, no worker takes them.
    is_old = Q(enqueued_at__lt=now - DELIVERY_RETENTION)
    DBTaskResult.objects.filter(was_started | is_old).delete()


def prune_deliveries() -> None:
    WebhookDelivery.objects.prune(DELIVERY_RETENTION)


def prune_sessions() -> None:
    SessionStore.clear_expired()


def prune_notifications() -> None:
    Notification.objects.prune(DELIVERY_RETENTION)


def prune_recordings() -> None:
    cleanup.delete_recordings(timezone.now() - ABANDONED_AFTER)


def prune_downloads() -> None:
    cleanup.delete_temporary(timezone.now() - ABANDONED_AFTER)


def fail_interrupted() -> None:
    cleanup.fail_interrupted(timezone.now() - ABANDONED_AFTER)


def delete_expired() -> None:
    transcription.retention.tasks.sweep()


PRUNING = [
    delete_expired,
    prune_messages,
    prune_deliveries,
    prune_sessions,
    prune_notifications,
    prune_recordings,
    prune_downloads,
    fail_interrupted,
]
