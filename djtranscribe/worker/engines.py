"""What carries our messages: the database, or a broker if TASK_BROKER_URL is set."""

from functools import cache
from threading import Event
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string
from django_tasks.base import Task

from djtranscribe.worker.waking import Wakeups

# Above this many waiting messages, more would only slow the queue.
BACKLOG = 200


class Engine(Protocol):
    """Carries messages. They may be lost: the sweep replaces them."""

    def start(self, concurrency: int, wakeups: Wakeups, stopping: Event) -> None:
        """Begin to run messages, so many at once."""

    def finish(self) -> None:
        """Take no more messages, and wait for those that run."""

    def has_backlog(self, task: Task[Any, Any], back_fill: bool = False) -> bool:
        """Return whether too many messages of this kind wait already."""

    def waiting(self) -> int | None:
        """Return how many messages wait, or None if the broker does not answer."""

    def prune(self) -> None:
        """Delete what is stored about old messages."""


# By name, because Celery is an optional requirement.
DATABASE = "djtranscribe.worker.messages.DatabaseQueue"
BROKER = "djtranscribe.worker.celery_queue.CeleryQueue"


@cache
def engine() -> Engine:
    made: Engine = import_string(
        BROKER if settings.TASK_BROKER_SECRET_URL else DATABASE
    )()
    return made
