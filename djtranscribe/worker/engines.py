"""Choose the queue of messages: our database, or a broker if TASK_BROKER_URL is set.

A message asks a worker to run a task.
"""

from functools import cache
from threading import Event
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string
from django_tasks.base import Task

from djtranscribe.worker.waking import Wakeups

# If this many messages of a task wait in the queue, the sweep (maintenance.py) queues
# no more messages of this task. Messages of a back-fill (old recordings, from
# reconcile --all) are counted separately, as far as the engine can.
BACKLOG = 200


class Engine(Protocol):
    """A queue of messages, and the threads of a worker that run them.

    If a message is lost, maintenance.py queues the work again, except for two tasks:
    - `hang_up`: the next `check_call` of the same call queues it again.
    - `send_link` (password reset): the user can ask for another link.
    """

    def start(self, concurrency: int, wakeups: Wakeups, stopping: Event) -> None:
        """Start threads that run messages, at most `concurrency` at once.

        wakeups: wakes the threads when there are new messages (not used with a broker).
        stopping: must be set before `finish`.
        """

    def finish(self) -> None:
        """Take no more messages, and wait for the running ones."""

    def has_backlog(self, task: Task[Any, Any], back_fill: bool = False) -> bool:
        """Return whether at least BACKLOG messages of this task are waiting.

        back_fill: True counts the messages for old recordings (reconcile --all). False
        counts all other messages.
        A broker has one total for the messages of all tasks, so other messages may
        count, too (see CeleryQueue). If the broker does not answer, return True.
        """

    def waiting(self) -> int | None:
        """Return how many messages wait.

        Return None if the broker does not answer or refuses our login.
        """


# Names instead of imports, because Celery is an optional requirement.
DATABASE = "djtranscribe.worker.messages.DatabaseQueue"
BROKER = "djtranscribe.worker.celery_queue.CeleryQueue"


@cache
def engine() -> Engine:
    made: Engine = import_string(
        BROKER if settings.TASK_BROKER_SECRET_URL else DATABASE
    )()
    return made
