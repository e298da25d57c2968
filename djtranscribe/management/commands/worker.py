"""Run the worker: transcribe, notify, sweep and delete what has expired.

Only this module uses the task engine directly; admin hides its table. The rows are the
truth (transcription/tasks.py), so the sweep finds whatever a dead worker has dropped.
"""

import logging
import signal
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection
from django.utils import timezone
from django.utils.crypto import get_random_string
from django_tasks.base import Task
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

import caller.tasks
import transcription.tasks
from caller.recordings import cleanup
from djtranscribe import zones
from djtranscribe.models import WebhookDelivery
from transcription import leases
from transcription.models import Notification
from transcription.notifications import delivery
from transcription.review import past

logger = logging.getLogger("djtranscribe.worker")

IDLE_SECONDS = 0.25  # between two polls of the queue
AGAIN_SECONDS = 1  # after an unexpected error
NOTIFY_SECONDS = 1  # between two polls for notifications and corrections
STOP_SECONDS = 16  # time for a running attempt when the worker stops
PRUNE_SECONDS = 3600
BACKLOG = 200
KEEP_DELIVERIES = timedelta(days=30)
KEEP_LEFTOVERS = timedelta(days=1)


class Command(BaseCommand):
    help = (
        "Fetch recordings, have them transcribed, and look after what was left behind. "
        "Run one beside the web server, or several, on any machine that reaches the "
        "database and the recordings. Ctrl-C or SIGTERM lets it finish what it holds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--threads",
            type=int,
            default=4,
            help="How many transcripts are worked on at once (default: %(default)s).",
        )

    def handle(self, *, threads: int, **options: Any) -> None:
        stopping = threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: stopping.set())
        workers = [
            threading.Thread(target=work, args=[stopping], name=f"worker-{number}")
            for number in range(max(1, threads))
        ]
        # One thread per kind: a hanging receiver blocks neither e-mail nor transcripts.
        senders = [
            threading.Thread(
                target=notify, args=[stopping, kind], name=f"send-{kind}", daemon=True
            )
            for kind in Notification.wanted()
        ]
        senders.append(
            threading.Thread(
                target=correct, args=[stopping], name="corrections", daemon=True
            )
        )
        for thread in workers + senders:
            thread.start()
        self.stdout.write(f"Worker ready: {len(workers)} threads. Ctrl-C stops it.")
        self.stdout.write(f"Times are in {zones.label()}.")
        self.stdout.flush()
        run_maintenance(stopping)
        leases.stop()
        self.stdout.write("Stopping: finishing what is in hand.")
        for worker in workers:
            worker.join()
        for sender in senders:
            # An e-mail may take longer than this. It is sent again later.
            sender.join(STOP_SECONDS)


class Engine(Worker):
    """The engine's worker, stopped by an event instead of a signal."""

    def __init__(self, stopping: threading.Event) -> None:
        self.stopping = stopping
        super().__init__(
            queue_names=["*"],
            interval=IDLE_SECONDS,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )

    @property
    def running(self) -> bool:
        return not self.stopping.is_set()

    @running.setter
    def running(self, value: bool) -> None:
        pass  # The engine sets it once at start.


def work(stopping: threading.Event) -> None:
    """Run the engine until stopped and restart it after every error.

    If the thread ended, the process would look alive and do nothing.
    """
    while not stopping.is_set():
        try:
            Engine(stopping).run()
        except Exception as error:
            # The engine stops after a long lock or a lost connection.
            log_and_reconnect("work", error)
            stopping.wait(AGAIN_SECONDS)
    close_connection()


def notify(stopping: threading.Event, kind: str) -> None:
    """Send notifications of this kind until stopped."""
    while not stopping.is_set():
        try:
            delivery.deliver(kind, stopping.is_set)
        except Exception as error:
            log_and_reconnect("notify", error)
        stopping.wait(NOTIFY_SECONDS)
    close_connection()


def correct(stopping: threading.Event) -> None:
    """Carry out corrections in past transcripts until stopped."""
    while not stopping.is_set():
        try:
            while not stopping.is_set() and past.work():
                pass
        except Exception as error:
            log_and_reconnect("correct", error)
        stopping.wait(NOTIFY_SECONDS)
    close_connection()


def run_maintenance(stopping: threading.Event) -> None:
    """Sweep and delete what has expired, until stopped."""
    pruned_at: float | None = None
    while not stopping.is_set():
        wait = settings.SWEEP_SECONDS
        steps = [sweep_calls, sweep_transcripts]
        if pruned_at is None or time.monotonic() - pruned_at > PRUNE_SECONDS:
            pruned_at = time.monotonic()
            steps += PRUNING
        for step in steps:
            # One failing step must not stop the others.
            try:
                step()
            except Exception as error:
                log_and_reconnect(step.__name__, error)
                wait = AGAIN_SECONDS
        stopping.wait(wait)


def log_and_reconnect(what: str, error: Exception) -> None:
    why = "database=away" if isinstance(error, Error) else "unforeseen"
    # djtranscribe.logs leaves out the message, which may quote people's words.
    logger.error("%s=failed %s", what, why, exc_info=error)
    close_connection()


def close_connection() -> None:
    with suppress(Exception):
        connection.close()


def sweep_calls() -> None:
    if not has_backlog(caller.tasks.check_call):
        caller.tasks.sweep()


def sweep_transcripts() -> None:
    advance = transcription.tasks.advance
    if not has_backlog(advance):
        back_fill_waits = has_backlog(advance, back_fill=True)
        transcription.tasks.sweep(back_fill=not back_fill_waits)


def prune_messages() -> None:
    call_command("prune_db_task_results", min_age_days=1, verbosity=0)


def prune_deliveries() -> None:
    WebhookDelivery.objects.prune(KEEP_DELIVERIES)


def prune_notifications() -> None:
    Notification.objects.prune(KEEP_DELIVERIES)


def prune_recordings() -> None:
    cleanup.delete_recordings(timezone.now() - KEEP_LEFTOVERS)


def prune_downloads() -> None:
    cleanup.delete_temporary(timezone.now() - KEEP_LEFTOVERS)


PRUNING = [
    prune_messages,
    prune_deliveries,
    prune_notifications,
    prune_recordings,
    prune_downloads,
]


def has_backlog(task: Task[Any, Any], back_fill: bool = False) -> bool:
    """Return whether so many messages wait that more would only slow the queue.

    Messages of a back-fill count apart: they come after all others.
    """
    whose = {"priority__lt": 0} if back_fill else {"priority__gte": 0}
    waiting = DBTaskResult.objects.ready().filter(task_path=task.module_path, **whose)
    return waiting[:BACKLOG].count() >= BACKLOG
