"""The home page: today's figures, and calls that need attention."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from caller.concerns import COMPLETED, FAILED, LOW_CONFIDENCE, IsConcern
from caller.contacts.models import contact_name_subquery
from caller.days import Day
from caller.models import Call, Recording
from caller.steps import format_elapsed
from caller.timeline import failure_reason, missing_audio_reason
from djtranscribe.zones import midnight

# Calls older than this are not in the list "Needs attention".
ATTENTION_PERIOD = timedelta(days=3)
MAX_CONCERNS = 10
MAX_CONCERNS_ON_REQUEST = 100
# Each query in `candidates` finds at most this many calls.
MAX_CANDIDATES = 200
TRANSCRIPTS = "recordings__transcripts__"
IS_RECORDED = Exists(
    Recording.objects.filter(call=OuterRef("pk"), status=Recording.Status.COMPLETED)
)
IS_SILENT = Q(
    recordings__transcripts__status=COMPLETED, recordings__transcripts__text=""
)


@dataclass(frozen=True)
class Concern:
    """A call that needs attention, the reason, and a button that helps.

    permission: only users with this permission see the button.
    is_post: the button changes something, so the browser sends a POST request.
    """

    call: Call
    reason: str
    label: str
    url: str
    permission: str
    is_post: bool = False


def todays_figures(today: Day) -> list[tuple[str, str]]:
    """Return today's figures for the home page, as pairs (label, text). One query.

    today: today's sums, from days.last_days.
    """
    calls = Call.objects.filter(created_at__gte=midnight(today.date))
    transcribed = calls.exclude(status=Call.Status.REFUSED).filter(
        recordings__transcripts__status=COMPLETED
    )
    numbers = [
        ("Calls", str(today.calls)),
        ("Answered", str(today.answered)),
        ("Transcribed", str(transcribed.distinct().count())),
    ]
    if today.seconds:
        start = timezone.now()
        end = start + timedelta(seconds=today.seconds)
        numbers.append(("Talk time", format_elapsed(start, end)))
    if today.paid:
        numbers.append(("Cost of calls", f"{today.cost} {today.currency}"))
    return numbers


def needs_attention(most: int = MAX_CONCERNS) -> list[Concern]:
    """Return calls that failed, were not recorded or have a bad transcript.

    At most `most` calls of the last ATTENTION_PERIOD, the newest call first. IsConcern
    says which transcripts are bad. Calls that also have a good or verified transcript
    are left out. So are calls that say a verification code (Kind.CODE). Makes five
    queries, each with an index.
    """
    rows = (
        Call.objects.filter(pk__in=candidates())
        .exclude(recordings__transcripts__confidence__gte=LOW_CONFIDENCE)
        .exclude(recordings__transcripts__verified_at__isnull=False)
        .annotate(
            recording_status=F("recordings__status"),
            recording_error=F("recordings__error"),
            transcript_status=F("recordings__transcripts__status"),
            is_silent=IS_SILENT,
            confidence=F("recordings__transcripts__confidence"),
            is_concern=IsConcern(TRANSCRIPTS),
            transcript=F("recordings__transcripts__uuid"),
            contact_name=contact_name_subquery("other_number"),
        )
        .filter(
            Q(status=Call.Status.FAILED)
            | Q(~IS_RECORDED, recording_status__in=Recording.WITHOUT_AUDIO)
            | Q(recording_status=None)
            | Q(is_concern=1)
        )
        .order_by("-created_at", "-recordings__transcripts__pk")
    )
    # After retries, a call has several transcripts, and one row for each. Keep only the
    # row with the newest transcript.
    newest: dict[int, Concern] = {}
    for row in rows:
        newest.setdefault(row.pk, Concern(row, reason(row), *button_for(row)))
    return list(newest.values())[:most]


def candidates() -> set[int]:
    """Return the keys of recent calls that may need attention. Four queries."""
    since = timezone.now() - ATTENTION_PERIOD
    calls = Call.objects.filter(created_at__gte=since).exclude(kind=Call.Kind.CODE)
    failed = calls.filter(status=Call.Status.FAILED).order_by("-created_at")
    without_audio = calls.filter(
        ~IS_RECORDED,
        recordings__status__in=Recording.WITHOUT_AUDIO,
        recordings__created_at__gte=since,
    ).order_by("-recordings__created_at")
    without_recording = calls.filter(
        status=Call.Status.COMPLETED, next_check_at=None, recordings=None
    ).order_by("-created_at")
    if settings.MACHINE_DETECTION == "hangup":
        # This site ends a call before the recording if voicemail answers.
        without_recording = without_recording.exclude(answered_by__startswith="machine")
    transcribed = (
        # Filter before `alias`: otherwise Django uses outer joins for the aliases, and
        # SQLite reads every call.
        calls.filter(
            recordings__transcripts__created_at__gte=since,
            recordings__transcripts__verified_at=None,
        )
        .alias(
            is_concern=IsConcern(TRANSCRIPTS),
            transcribed_at=F("recordings__transcripts__created_at"),
        )
        .filter(is_concern=1)
        .order_by("-transcribed_at")
    )
    return {
        pk
        for some in (failed, without_audio, without_recording, transcribed)
        for pk in some.values_list("pk", flat=True)[:MAX_CANDIDATES]
    }


def button_for(row: Any) -> tuple[str, str, str, bool]:
    """Return a button for this call: label, URL, permission, whether to POST.

    row: a Call with the annotations that `needs_attention` adds.
    """
    if row.status != Call.Status.FAILED and row.transcript_status == FAILED:
        retry = reverse("transcription:retry", args=[row.transcript])
        return "Retry transcription", retry, "transcription.add_transcript", True
    if row.confidence is not None and not row.is_silent:
        return "Check words", row.get_absolute_url(), "caller.view_call", False
    if not row.other_number:
        return "Open call", row.get_absolute_url(), "caller.view_call", False
    again = reverse("caller:dial", args=[row.other_number.removeprefix("+")])
    return "Call again", again, "caller.add_call", False


def reason(row: Any) -> str:
    if row.status == Call.Status.FAILED:
        return failure_reason(row)
    if row.transcript_status == FAILED:
        return "Could not be transcribed."
    if row.is_silent:
        return "Nobody spoke."
    if row.confidence is None:
        return missing_audio_reason(row.recording_status, row.recording_error)
    return f"AssemblyAI was only {row.confidence:.0%} sure of the words."
