"""What notifications say: the body of a webhook and the text of an e-mail.

They leave out the transcript's text and the phone number: only users with a login may
see those.
"""

from __future__ import annotations

import math
import re
from datetime import timezone as tz
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.formats import date_format

from djtranscribe import zones
from djtranscribe.models import zone_of
from djtranscribe.public_urls import public_url

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from caller.models import Call
    from transcription.models import Notification, Transcript

# What to remove from error messages:
# - URLs, because they may open the audio. The pattern has \w{1,20}, because \w+ would
#   be slow on a long word.
# - digits that may be a phone number
# - NUL, because PostgreSQL cannot store it
PRIVATE = re.compile(r"\w{1,20}://\S+|\+?\d[\d ().-]{5,}\d|\0")


def notification_facts(transcript: Transcript) -> dict[str, Any]:
    """Return the facts about the transcript as it is now, for `Notification.facts`."""
    call = transcript.recording.call
    return {
        "transcript": str(transcript.uuid),
        "call": str(call.uuid) if call else None,
        "status": transcript.status,
        "nobody_spoke": transcript.nobody_spoke,
        "confidence": finite_or_none(transcript.confidence),
        "language": transcript.language,
        "audio_seconds": finite_or_none(transcript.audio_seconds),
        "error": redact_error(transcript.error),
    }


def finite_or_none(number: float | None) -> float | None:
    """Return a float for JSON: 7 becomes 7.0, and NaN and infinity become None."""
    return float(number) if number is not None and math.isfinite(number) else None


def redact_error(reason: str) -> str:
    """Remove URLs and phone numbers from an error message and shorten it."""
    return PRIVATE.sub("…", reason)[:500]


def message(notification: Notification, transcript: Transcript) -> dict[str, Any]:
    """Return the body of a webhook.

    It is the same at every attempt, unless BASE_URL changes.
    """
    call = transcript.recording.call
    return {
        "type": notification.event,
        "timestamp": notification.finished_at.astimezone(tz.utc).isoformat(),
        "data": {
            **notification.facts,
            "transcript_url": public_url(transcript.get_absolute_url()),
            "call_url": public_url(call.get_absolute_url()) if call else None,
        },
    }


def email_text(
    notification: Notification, call: Call, operator: User
) -> tuple[str, str]:
    """Return the subject and the body of an e-mail to the operator.

    The time of the call is in the operator's time zone.
    """
    if notification.event == notification.Event.FAILED:
        outcome, reason = "could not be transcribed", notification.facts["error"]
        advice = "Retry on the call's page, or send this link to a supervisor"
    else:
        silent = notification.facts["nobody_spoke"]
        outcome, reason = "was transcribed", "Nobody spoke." if silent else ""
        advice = "See the call"
    with timezone.override(zone_of(operator)):
        local = timezone.localtime(call.created_at)
        when = f"{date_format(local, 'j M Y, H:i')} {zones.label(local)}"
    lines = [
        f"Your call of {when} {outcome}.",
        reason,
        f"{advice}: {public_url(call.get_absolute_url())}",
    ]
    return f"A call {outcome}", "\n\n".join(filter(None, lines)) + "\n"
