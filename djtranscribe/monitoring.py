"""Numbers for monitors: how late the work is, and all numbers of /metrics.

Each request reads the numbers again, from the database and from Celery's broker. So
every process gives the same numbers. No query reads a whole large table.
"""

import statistics
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Aggregate, Count, Min, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from caller import dialling
from caller.models import Call, Recording
from caller.models.call_queries import ESTIMATE
from djtranscribe.models import (
    MAX_REFUSED_PER_MINUTE,
    VendorPause,
    WebhookDelivery,
)
from djtranscribe.worker.engines import engine
from transcription.models import Notification, Transcript

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Compute medians from at most this many of the newest transcripts.
SAMPLE_SIZE = 1000


def overdue_seconds(now: datetime) -> int:
    """Return how many seconds late the oldest work is, with at most three queries.

    Back-fills (reconcile --all) and notifications that are switched off do not count.
    """
    due = (
        Transcript.objects.due(now).current().aggregate(at=Min("next_attempt_at")),
        Call.objects.due(now).aggregate(at=Min("next_check_at")),
        Notification.objects.due(now)
        .filter(kind__in=Notification.enabled_kinds())
        .aggregate(at=Min("next_attempt_at")),
    )
    oldest = min((row["at"] for row in due if row["at"]), default=now)
    return max(0, int((now - oldest).total_seconds()))


def may_read_metrics(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, wanted)


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(MetricsCollector())
    return made


class MetricsCollector:
    """Prometheus collector that reads all numbers at each request.

    See "custom collectors" at github.com/prometheus/client_python.
    """

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        hour = now - HOUR
        yield gauge(
            "calls_last_hour",
            "Calls of the last hour, by direction and status. Each refused attempt "
            "counts.",
            ["direction", "status"],
            count_by(
                Call.objects.filter(created_at__gt=hour).order_by(),
                ["direction", "status"],
                Sum(Coalesce("refused_attempts", 1)),
            ),
        )
        yield gauge(
            "spend_last_day",
            "Amount spent in the last 24 hours, by vendor, in the currency of the "
            "Twilio account. Twilio: the calls. A phone without a price counts as "
            f"{ESTIMATE}. AssemblyAI: all transcripts of the recordings that have a "
            "new transcript.",
            ["vendor"],
            [
                (["twilio"], float(dialling.spent_in_last_24_hours())),
                (["assemblyai"], float(transcription_spend(now - DAY))),
            ],
        )
        yield gauge(
            "webhooks_last_hour",
            "Webhooks of the last hour, by kind and verdict. Of refused ones, at most "
            f"{MAX_REFUSED_PER_MINUTE} a minute are counted.",
            ["kind", "verdict"],
            count_by(
                WebhookDelivery.objects.filter(received_at__gt=hour).order_by(),
                ["kind", "verdict"],
            ),
        )
        yield gauge(
            "transcripts_last_hour",
            "Transcripts that were created in the last hour, by status and error.",
            ["status", "error_class"],
            count_by(
                Transcript.objects.filter(created_at__gt=hour).order_by(),
                ["status", "error_class"],
            ),
        )
        yield gauge(
            "transcripts_waiting",
            "Unfinished transcripts. error_class says why a transcript waits.",
            ["error_class"],
            count_by(Transcript.objects.unfinished().order_by(), ["error_class"]),
        )
        yield from durations(now)
        waiting = engine().waiting()
        yield gauge(
            "queue_messages",
            "Messages that no worker has taken.",
            [],
            [([], waiting)] if waiting is not None else [],
        )
        yield gauge(
            "overdue_seconds",
            "How late the oldest work is.",
            [],
            [([], overdue_seconds(now))],
        )
        paused = VendorPause.objects.exclude_busy().values_list("vendor", flat=True)
        yield gauge(
            "vendor_paused",
            "1 for each vendor that refuses our account or settings.",
            ["vendor"],
            [([vendor], 1) for vendor in paused],
        )


def transcription_spend(since: datetime) -> Decimal:
    """Return what AssemblyAI charged for recordings transcribed after `since`.

    The cost of older transcripts of the same recordings is included.
    """
    transcribed = Transcript.objects.filter(created_at__gt=since).values("recording")
    total = Recording.objects.filter(pk__in=transcribed).aggregate(
        sum=Sum("transcription_cost")
    )
    return total["sum"] or Decimal()


def durations(now: datetime) -> Iterator[Metric]:
    """Yield two medians for the newest transcripts: total time, time at AssemblyAI."""
    # `finished_at` has no index, but `created_at` has one. So filter by both: then the
    # database reads only the rows of one day.
    finished = Transcript.objects.current().filter(
        status="completed", created_at__gt=now - DAY, finished_at__gt=now - HOUR
    )
    rows: Any = finished.order_by("-finished_at").values_list(
        "created_at", "submitted_at", "finished_at"
    )[:SAMPLE_SIZE]
    whole = [(end - begin).total_seconds() for begin, _, end in rows]
    theirs = [(end - sent).total_seconds() for _, sent, end in rows if sent]
    for name, from_to, values in (
        ("transcript_seconds", "the stored recording to its transcript", whole),
        ("assemblyai_seconds", "submitting a job to its stored result", theirs),
    ):
        medians = [statistics.median(values)] if values else []
        yield gauge(
            f"{name}_median_last_hour",
            f"Median time from {from_to}. Of transcripts that were finished in the "
            "last hour, at most a day after they were created, without back-fills.",
            [],
            [([], median) for median in medians],
        )


def count_by(
    rows: "QuerySet[Any]", columns: list[str], count: Aggregate | None = None
) -> Iterator[tuple[list[str], int]]:
    groups = rows.values_list(*columns).annotate(count=count or Count("pk"))
    return (([*map(str, labels)], count) for *labels, count in groups)


def gauge(
    name: str,
    help_text: str,
    labels: list[str],
    values: Iterable[tuple[list[str], float]],
) -> Metric:
    family = GaugeMetricFamily(f"djtranscribe_{name}", help_text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
