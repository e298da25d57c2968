"""The home page: numbers of the day, and calls that need attention."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Abs
from django.utils import timezone

from caller.concerns import COMPLETED, FAILED, LOW_CONFIDENCE, IsConcern
from caller.models import Call, Recording
from caller.timeline import WHY, lapse
from djtranscribe.zones import midnight

# Older calls are not shown.
LOOK_BACK = timedelta(days=3)
MOST = 8
# Maximum candidates of each kind.
CANDIDATES = 20 * MOST
TRANSCRIPTS = "recordings__transcripts__"
SILENT = Q(recordings__transcripts__status=COMPLETED, recordings__transcripts__text="")


@dataclass(frozen=True)
class Concern:
    call: Call
    reason: str


def numbers_of_the_day() -> list[tuple[str, str]]:
    """Count the calls of today in the current time zone. Two queries.

    Returns pairs of a name and a value, both for people.
    """
    today = Call.objects.filter(created_at__gte=midnight(timezone.localdate()))
    calls = today.exclude(status=Call.Status.REFUSED)
    sums = calls.aggregate(
        made=Count("pk"),
        answered=Count("answered_at"),
        seconds=Sum("duration_seconds"),
        cost=Sum(Abs("price")),
        unit=Max("price_unit"),
    )
    transcribed = calls.filter(recordings__transcripts__status=COMPLETED)
    numbers = [
        ("Calls", str(sums["made"])),
        ("Answered", str(sums["answered"])),
        ("Transcribed", str(transcribed.distinct().count())),
    ]
    if sums["seconds"]:
        start = timezone.now()
        end = start + timedelta(seconds=sums["seconds"])
        numbers.append(("Talk time", lapse(start, end)))
    if sums["cost"]:
        # Only calls that have a price: Twilio sets it some minutes after a call.
        cost = Decimal(sums["cost"]).quantize(Decimal("0.01"))
        numbers.append(("Cost of calls", f"{cost} {sums['unit']}"))
    return numbers


def needs_attention() -> list[Concern]:
    """Return calls that failed, are silent or are doubtful, newest first.

    Calls with a later good transcript are left out. Four queries, each bounded and
    through an index, however many calls there are.
    """
    since = timezone.now() - LOOK_BACK
    calls = Call.objects.filter(created_at__gte=since)
    failed = calls.filter(status=Call.Status.FAILED).order_by("-created_at")
    not_recorded = calls.filter(
        recordings__status=Recording.Status.FAILED, recordings__created_at__gte=since
    ).order_by("-recordings__created_at")
    transcribed = (
        # The aliases use the inner joins of this filter; in one call they would add
        # outer joins, and SQLite would read every call.
        calls.filter(recordings__transcripts__created_at__gte=since)
        .alias(
            is_concern=IsConcern(TRANSCRIPTS),
            transcribed_at=F("recordings__transcripts__created_at"),
        )
        .filter(is_concern=1)
        .order_by("-transcribed_at")
    )
    candidates = {
        pk
        for some in (failed, not_recorded, transcribed)
        for pk in some.values_list("pk", flat=True)[:CANDIDATES]
    }
    rows = (
        Call.objects.filter(pk__in=candidates)
        .exclude(recordings__transcripts__confidence__gte=LOW_CONFIDENCE)
        .annotate(
            recording_status=F("recordings__status"),
            transcript_status=F("recordings__transcripts__status"),
            is_silent=SILENT,
            confidence=F("recordings__transcripts__confidence"),
            is_concern=IsConcern(TRANSCRIPTS),
        )
        .filter(
            Q(status=Call.Status.FAILED)
            | Q(recording_status=Recording.Status.FAILED)
            | Q(is_concern=1)
        )
        .order_by("-created_at", "-recordings__transcripts__pk")
    )
    # A retried call has several transcripts: show the reason of the newest.
    newest: dict[int, Concern] = {}
    for row in rows:
        newest.setdefault(row.pk, Concern(row, reason(row)))
    return list(newest.values())[:MOST]


def reason(row: Any) -> str:
    if row.status == Call.Status.FAILED:
        return row.error or WHY[Call.Status.FAILED]
    if row.transcript_status == FAILED:
        return "Could not be transcribed."
    if row.is_silent:
        return "Nobody spoke."
    if row.confidence is None:
        return "Could not be recorded."
    return f"Only {row.confidence:.0%} sure of the words."
