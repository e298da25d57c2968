"""Take messages from the broker and run them, with Celery. See celery_app.py."""

import logging
import socket
import threading
from typing import Any

from celery.worker import WorkController
from celery.worker import state as celery_state
from django.utils.crypto import get_random_string
from django_tasks.base import Task
from kombu.exceptions import OperationalError

from djtranscribe.worker.celery_app import CONNECT_SECONDS, app, queue
from djtranscribe.worker.engines import BACKLOG
from djtranscribe.worker.waking import Wakeups
from transcription.models import Transcript

logger = logging.getLogger("djtranscribe.worker")

# Wait this long before connecting again to a broker that refused our name or password.
REFUSED_SECONDS = 10


class CeleryQueue:
    """The engine for a broker. See engines.Engine."""

    def start(
        self, concurrency: int, wakeups: Wakeups, stopping: threading.Event
    ) -> None:
        self.thread = threading.Thread(
            target=self.consume, args=[concurrency, stopping], name="celery"
        )
        self.thread.daemon = True
        self.thread.start()

    def consume(self, concurrency: int, stopping: threading.Event) -> None:
        """Run messages until `stopping` is set.

        Celery reconnects by itself if the broker was down. But Celery gives up if the
        broker refuses our user name or password. Then start Celery again after a pause.
        """
        while not stopping.is_set():
            controller = WorkController(
                app=app(),
                # A unique name, even if several workers run on one machine.
                hostname=f"{get_random_string(8)}@{socket.gethostname()}",
                pool_cls="threads",
                concurrency=concurrency,
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
            controller.start()
            if not stopping.is_set():
                logger.error("broker=refused again_in=%s", REFUSED_SECONDS)
                stopping.wait(REFUSED_SECONDS)

    def finish(self) -> None:
        celery_state.should_stop = 0  # an exit status: any number, even 0, stops Celery
        self.thread.join()

    def has_backlog(self, task: Task[Any, Any], back_fill: bool = False) -> bool:
        # `task` is not used: the broker has one total for the messages of all tasks.
        waiting = self.waiting()
        if waiting is None:
            return True
        if waiting >= BACKLOG and not back_fill:
            # Subtract the messages for old recordings (priority below 0). While such a
            # message waits, `announced_at` of its transcript is set.
            rows = Transcript.objects.unfinished().filter(priority__lt=0)
            waiting -= rows.exclude(announced_at=None).count()
        return waiting >= BACKLOG

    def waiting(self) -> int | None:
        connection = app().connection_for_read(connect_timeout=CONNECT_SECONDS)
        try:
            with connection:
                connection.ensure_connection(max_retries=1, interval_start=0)
                channel = connection.channel()
                try:
                    # passive: create nothing, only return the length of the queue.
                    declared = channel.queue_declare(queue(), passive=True)
                except connection.channel_errors:
                    # The queue does not exist, because no message was ever sent. On
                    # Redis, an empty queue does not exist either.
                    return 0
                return int(declared.message_count)
        except (
            OperationalError,
            *connection.connection_errors,
            # A login that RabbitMQ refuses is a channel error.
            *connection.channel_errors,
        ):
            return None
