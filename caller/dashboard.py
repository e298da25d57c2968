"""What the home page says of the day, and of what needs somebody to look at it."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Abs
from django.utils import timezone

from caller.models import Call, Recording
from caller.timeline import WHY, lapse
from djtranscribe.zones import midnight

# Older ones were seen, or nobody minds.
LOOK_BACK = timedelta(days=3)
MOST = 8
# An average below this is heard once more before it is relied upon.
LOW_CONFIDENCE = 0.6
# Of the other app's rows, by its own words.
FAILED = "error"
SILENT = Q(
    recordings__transcripts__status="completed", recordings__transcripts__text=""
)


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
    transcribed = calls.filter(recordings__transcripts__status="completed")
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
        # Twilio's, so far: it prices a call some minutes after its end.
        cost = Decimal(sums["cost"]).quantize(Decimal("0.01"))
        numbers.append(("Cost of calls", f"{cost} {sums['unit']}"))
    return numbers


def needs_attention() -> list[Concern]:
    """Failed, silent or doubtful, newest first; not what a second try made good."""
    calls = (
        Call.objects.filter(created_at__gte=timezone.now() - LOOK_BACK)
        .exclude(recordings__transcripts__confidence__gte=LOW_CONFIDENCE)
        .annotate(
            recording_status=F("recordings__status"),
            transcript_status=F("recordings__transcripts__status"),
            is_silent=SILENT,
            confidence=F("recordings__transcripts__confidence"),
        )
        .filter(
            Q(status=Call.Status.FAILED)
            | Q(recording_status=Recording.Status.FAILED)
            | Q(transcript_status=FAILED)
            | Q(is_silent=True)
            | Q(confidence__lt=LOW_CONFIDENCE)
        )
    )
    # One row a transcript, of which a call tried again has many; a call is shown once,
    # for its newest.
    rows = calls.order_by("-created_at", "-recordings__transcripts__pk")[: 20 * MOST]
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
