from transcription.models.export import Export
from transcription.models.lease import CLOCK_SKEW
from transcription.models.notification import Notification, NotificationQuerySet
from transcription.models.transcript import (
    BACKOFF_SECONDS,
    MAX_ATTEMPTS,
    MAX_JOBS,
    LeaseLost,
    Transcript,
    TranscriptQuerySet,
    poll_after,
    webhook_token,
)
from transcription.models.vocabulary import Vocabulary

__all__ = [
    "BACKOFF_SECONDS",
    "CLOCK_SKEW",
    "MAX_ATTEMPTS",
    "MAX_JOBS",
    "Export",
    "LeaseLost",
    "Notification",
    "NotificationQuerySet",
    "Transcript",
    "TranscriptQuerySet",
    "Vocabulary",
    "poll_after",
    "webhook_token",
]
