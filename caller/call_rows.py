"""Rows for the lists of calls: home page, page of a number, search."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Left

from caller.concerns import COMPLETED, FAILED, LOW_CONFIDENCE
from caller.models import Call, Recording
from caller.steps import DONE, NOW
from caller.steps import FAILED as NOT_DONE
from djtranscribe.adminsite.read_only import duration
from djtranscribe.models import Access

# A list shows at most this many characters of a transcript.
EXCERPT_LENGTH = 140


@dataclass(frozen=True)
class CallRow:
    """One row in a list of calls.

    state: `done`, `now` or `failed`, see caller.steps.
    status_text: the state in words, such as `Transcribing`.
    transcript: the newest transcript, or None. Only an excerpt of the text is loaded.
    """

    call: Call
    state: str
    status_text: str
    transcript: Any = None

    @property
    def excerpt(self) -> str:
        text: str = self.transcript.excerpt if self.transcript else ""
        return text[:EXCERPT_LENGTH].rstrip() + (
            "…" if len(text) > EXCERPT_LENGTH else ""
        )

    @property
    def duration(self) -> str:
        seconds = self.call.duration_seconds
        return duration(seconds) if seconds is not None else ""

    @property
    def certainty(self) -> str:
        """Return `88%`, `verified` or `needs checking`: how reliable the words are.

        Return "" if there are no words, or if their confidence is unknown.
        """
        if not self.excerpt:
            return ""
        if self.transcript.verified_at:
            return "verified"
        confidence = self.transcript.confidence
        if confidence is None:
            return ""
        return "needs checking" if confidence < LOW_CONFIDENCE else f"{confidence:.0%}"


def rows_of(calls: Iterable[Call]) -> list[CallRow]:
    """Return one CallRow per call, in the same order. At most three queries."""
    calls = list(calls)
    keys = [call.pk for call in calls]
    # Get the Transcript model this way: `caller` must not import `transcription`.
    model: Any = Recording._meta.get_field("transcripts").related_model
    transcripts = (
        model._default_manager.filter(recording__call__in=keys)
        .only("status", "confidence", "verified_at", "language")
        .annotate(
            excerpt=Left("text", EXCERPT_LENGTH + 1), of_call=F("recording__call_id")
        )
        .order_by("pk")
    )
    newest = {transcript.of_call: transcript for transcript in transcripts}
    recordings = Recording.objects.filter(call__in=keys).order_by("pk")
    recorded = dict(recordings.values_list("call_id", "status"))
    return [_row(call, recorded.get(call.pk), newest.get(call.pk)) for call in calls]


def _row(call: Call, recorded: str | None, transcript: Any) -> CallRow:
    if not call.is_finished:
        state, word = NOW, call.get_status_display()
    elif call.status != Call.Status.COMPLETED:
        state, word = NOT_DONE, call.get_status_display()
    elif call.kind == Call.Kind.CODE:
        state, word = DONE, "Code spoken"
    elif transcript is None:
        state, word = _without_transcript(call, recorded)
    elif transcript.status == FAILED:
        state, word = NOT_DONE, "Not transcribed"
    elif transcript.status != COMPLETED:
        state, word = NOW, "Transcribing"
    else:
        state, word = DONE, "Transcribed" if transcript.excerpt else "Nobody spoke"
    return CallRow(call, state, word, transcript)


def _without_transcript(call: Call, recorded: str | None) -> tuple[str, str]:
    if recorded == Recording.Status.COMPLETED:
        return DONE, "Recorded"
    if (
        call.expects_recording
        and call.next_check_at
        and recorded not in Recording.FINISHED
    ):
        return NOW, "Recording"
    return NOT_DONE, "No recording"


def log_read(user: Any, rows: list[CallRow]) -> None:
    """Log that the user has read the transcripts in these rows.

    The excerpt in a row may be the whole transcript. Nothing is logged for users who
    may not see excerpts.
    """
    if user.has_perm("transcription.view_transcript"):
        shown = [row.transcript for row in rows if row.excerpt]
        Access.objects.log(user, Access.Action.READ, shown)
