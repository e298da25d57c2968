"""Send messages through RabbitMQ or Redis, with Celery. Only with TASK_BROKER_URL.

Celery carries messages and nothing else: no results, no retries, no beat. What a broker
loses, the sweep sends again. Django loads this before our models: it imports none.
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
from djtranscribe.worker.loops import connected

logger = logging.getLogger("djtranscribe.worker")

RUN = "djtranscribe.run"
# RabbitMQ's priorities end here; each costs it memory. The highest goes first.
HIGHEST = 9
# A request of a web server must not wait longer than this for a broker that is away.
CONNECT_SECONDS, SEND_SECONDS = 2, 3
# Notice a connection that was cut, not closed.
HEARTBEAT_SECONDS = 10
# Redis sends a message again if it was not confirmed for so long. A row that is being
# worked on has a lease, so a second message does nothing.
REDIS_SENDS_AGAIN_AFTER = 300


def is_redis() -> bool:
    return bool(settings.TASK_BROKER_SECRET_URL.startswith("redis"))


def queue() -> str:
    """Return the name of our queue. Several sites may share a broker."""
    site = salted_hmac("djtranscribe.queue", "", secret=settings.SECRET_KEY)
    return f"djtranscribe-{site.hexdigest()[:8]}"


@cache
def app() -> Celery:
    made = Celery(
        "djtranscribe",
        broker=settings.TASK_BROKER_SECRET_URL,
        set_as_current=False,
        # Celery's own for Django would close connections that our threads share.
        fixups=(),
    )
    options: dict[str, Any] = {"confirm_publish": True, "read_timeout": SEND_SECONDS}
    options["write_timeout"] = SEND_SECONDS
    if is_redis():
        options = {
            "visibility_timeout": REDIS_SENDS_AGAIN_AFTER,
            "queue_order_strategy": "priority",
            "priority_steps": list(range(HIGHEST + 1)),
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": SEND_SECONDS,
            "socket_keepalive": True,
        }
    made.conf.update(
        task_queues=[Queue(queue(), queue_arguments={"x-max-priority": HIGHEST})],  # type: ignore[no-untyped-call]
        task_default_queue=queue(),
        task_ignore_result=True,
        # Confirm a message after it was run, and take no more than we can run.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=HEARTBEAT_SECONDS,
        broker_transport_options=options,
        # Messages that run go on when the connection is lost. The default of Celery 6.
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    made.task(name=RUN)(run)
    return made


def run(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Run a message: the task with this dotted path."""
    with connected(), span(path, "CONSUMER"):
        import_string(path).call(*args, **kwargs)


def celery_priority(priority: int) -> int:
    """Return Celery's priority for ours, -100 to 100. Redis counts the other way."""
    level = round((priority + 100) / 200 * HIGHEST)
    return HIGHEST - level if is_redis() else level


class CeleryBackend(BaseTaskBackend):
    """Sends messages to the broker, after the transaction that they belong to.

    Never raises: a message that cannot be sent is lost, and the sweep replaces it.
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
            # Once more, for a connection that was closed while it was not used.
            retry_policy={"max_retries": 1, "interval_start": 0},
        )
    except Exception as error:
        # Whatever Celery's libraries raise. The message may quote the address.
        task = result.task.module_path
        logger.warning("task=%s sent=no error=%s", task, type(error).__name__)
