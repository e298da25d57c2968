"""Send messages through RabbitMQ or Redis, with Celery, if TASK_BROKER_URL is set.

Celery only carries messages. We do not use its results, its retries of tasks, or its
scheduler. Django loads this module before our models, so this module must not import
models.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import uuid4

from celery import Celery
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string
from django_tasks.backends.base import BaseTaskBackend
from django_tasks.base import Task, TaskResult, TaskResultStatus
from kombu.entity import Queue

from djtranscribe.tracing import span
from djtranscribe.worker.loops import message_context

logger = logging.getLogger("djtranscribe.worker")

RUN = "djtranscribe.run"
# RabbitMQ delivers this priority first, and 0 last. More levels would cost more memory.
HIGHEST_PRIORITY = 9
# A web request that sends a message must not wait long if the broker is down.
CONNECT_SECONDS, SEND_SECONDS = 2, 3
# Interval of heartbeats. They detect a connection that was cut without being closed.
HEARTBEAT_SECONDS = 10
# If a worker does not confirm a message within this many seconds, Redis delivers the
# message to another worker. That worker does nothing if the work is already claimed.
REDIS_VISIBILITY_TIMEOUT = 300


def is_redis() -> bool:
    return bool(settings.TASK_BROKER_SECRET_URL.startswith("redis"))


def queue() -> str:
    """Return the name of this site's queue. Several sites may share a broker."""
    site = salted_hmac("djtranscribe.queue", "", secret=settings.SECRET_KEY)
    return f"djtranscribe-{site.hexdigest()[:8]}"


@cache
def app() -> Celery:
    made = Celery(
        "djtranscribe",
        broker=settings.TASK_BROKER_SECRET_URL,
        set_as_current=False,
        # Turn off Celery's fixup for Django: it closes database connections that our
        # threads share.
        fixups=(),
    )
    options: dict[str, Any] = {"confirm_publish": True, "read_timeout": SEND_SECONDS}
    options["write_timeout"] = SEND_SECONDS
    if is_redis():
        options = {
            "visibility_timeout": REDIS_VISIBILITY_TIMEOUT,
            "queue_order_strategy": "priority",
            "priority_steps": list(range(HIGHEST_PRIORITY + 1)),
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": SEND_SECONDS,
            "socket_keepalive": True,
        }
    made.conf.update(
        task_queues=[
            Queue(  # type: ignore[no-untyped-call]
                queue(), queue_arguments={"x-max-priority": HIGHEST_PRIORITY}
            )
        ],
        task_default_queue=queue(),
        task_ignore_result=True,
        # Confirm a message after it has run. Take no more messages than can run now.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=HEARTBEAT_SECONDS,
        broker_transport_options=options,
        # Do not cancel running tasks if the connection to the broker is lost. Celery 6
        # will change the default of this option to True.
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    made.task(name=RUN)(run)
    return made


def run(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Run a message: call the task with this dotted path."""
    with message_context(), span(path, "CONSUMER"):
        import_string(path).call(*args, **kwargs)


def celery_priority(priority: int) -> int:
    """Convert a task's priority (-100 to 100) to the broker's (0 to HIGHEST_PRIORITY).

    RabbitMQ delivers the highest number first, Redis the lowest.
    """
    level = round((priority + 100) / 200 * HIGHEST_PRIORITY)
    return HIGHEST_PRIORITY - level if is_redis() else level


class CeleryBackend(BaseTaskBackend):
    """Task backend that sends messages to the broker after the commit.

    A message that cannot be sent is logged and lost. No exception is raised.
    """

    supports_priority = True

    def enqueue(self, task: Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        self.validate_task(task)
        result: TaskResult[Any] = TaskResult(
            task=task,
            id=str(uuid4()),
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=list(args),
            kwargs=dict(kwargs),
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        transaction.on_commit(lambda: send(result))
        return result


def send(result: TaskResult[Any]) -> None:
    try:
        app().send_task(
            RUN,
            [result.task.module_path, result.args, result.kwargs],
            task_id=result.id,
            priority=celery_priority(result.task.priority),
            retry=True,
            # Retry once, because an idle connection may have been closed.
            retry_policy={"max_retries": 1, "interval_start": 0},
        )
    except Exception as error:
        # Celery's libraries raise many types of errors. Log only the type: the error's
        # text may quote the URL of the broker, with the password.
        task = result.task.module_path
        logger.warning("task=%s sent=no error=%s", task, type(error).__name__)
