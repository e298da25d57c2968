"""Run the messages of the queue in our database, many at once.

Most of the time, a running message waits for a vendor. So one process runs many
messages in threads. Another thread claims messages from the table of django-tasks-db:
one message for each free thread.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.crypto import get_random_string
from django_tasks.base import Task, TaskResultStatus
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction

from djtranscribe.tracing import span
from djtranscribe.worker.engines import BACKLOG
from djtranscribe.worker.loops import Loop, message_context
from djtranscribe.worker.waking import Wakeups

# Wait this long between two claims. Under load, one claim then takes several messages.
# The first message after a pause does not wait.
SECONDS_BETWEEN_CLAIMS = 0.05


class DatabaseQueue:
    """The engine for the queue in our own database. See engines.Engine."""

    def start(
        self, concurrency: int, wakeups: Wakeups, stopping: threading.Event
    ) -> None:
        woken = wakeups.subscribe(DBTaskResult._meta.db_table)
        self.messages = Messages(concurrency, woken)
        self.claiming = Loop("claim", self.messages.work, stopping, woken)
        self.claiming.start()

    def finish(self) -> None:
        self.claiming.join()
        self.messages.finish()

    def has_backlog(self, task: Task[Any, Any], back_fill: bool = False) -> bool:
        # Count messages of a back-fill separately. They run after all others, so they
        # do not make the others wait.
        priority = {"priority__lt": 0} if back_fill else {"priority__gte": 0}
        ready = DBTaskResult.objects.ready()
        waiting = ready.filter(task_path=task.module_path, **priority)
        return waiting[:BACKLOG].count() >= BACKLOG

    def waiting(self) -> int:
        return DBTaskResult.objects.ready().order_by().count()


class Messages:
    """Claim messages and run each in its own thread.

    woken: the event that makes Loop call `work`. The event is set by:
    - Wakeups, for new messages.
    - `on_message_done`, when a thread becomes free and more messages may wait.
    """

    def __init__(self, concurrency: int, woken: threading.Event) -> None:
        self.concurrency, self.woken = concurrency, woken
        self.threads = ThreadPoolExecutor(concurrency, "message")
        self.running: set[Future[None]] = set()
        self.may_be_more = False
        self.worker_id = get_random_string(32)

    def work(self) -> bool:
        """Claim one message for each free thread, and run it there."""
        # A thread that becomes free during the claim must wake Loop.
        self.may_be_more = True
        free = self.concurrency - len(self.running)
        claimed = self.claim(free) if free > 0 else []
        self.may_be_more = free <= len(claimed)
        for message in claimed:
            future = self.threads.submit(run, message)
            self.running.add(future)
            future.add_done_callback(self.on_message_done)
        time.sleep(SECONDS_BETWEEN_CLAIMS)
        return bool(claimed)

    def on_message_done(self, future: "Future[None]") -> None:
        self.running.discard(future)
        if self.may_be_more:
            self.woken.set()

    def claim(self, most: int) -> list[Any]:
        """Claim at most `most` messages, the most urgent first."""
        ready = DBTaskResult.objects.ready()
        # On SQLite, a transaction makes other writers wait. So look for messages first,
        # and begin a transaction only if a message is ready.
        if connection.vendor == "sqlite" and not ready.exists():
            return []
        with exclusive_transaction(ready.db):
            found = list(ready.select_for_update(skip_locked=True)[:most])
            columns = {
                "status": TaskResultStatus.RUNNING,
                "started_at": timezone.now(),
                "worker_ids": [self.worker_id],
            }
            if found:
                claimed = DBTaskResult.objects.filter(pk__in=[row.pk for row in found])
                claimed.update(**columns)
        for row in found:
            for name, value in columns.items():
                setattr(row, name, value)
        return found

    def finish(self) -> None:
        """Wait for the running messages."""
        self.threads.shutdown()


def run(message: Any) -> None:
    """Run a message and store the outcome in its row."""
    with message_context(), span(message.task_path, "CONSUMER"):
        TASK_RUNNER.run_task(message)


# We only call `run_task`, which does not use these options.
TASK_RUNNER = Worker(
    queue_names=["*"],
    interval=0,
    batch=False,
    backend_name="default",
    startup_delay=False,
    max_tasks=None,
    worker_id="",
    excluded_queue_names=[],
)
