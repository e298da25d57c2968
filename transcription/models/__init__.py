from transcription.models.export import Export
from transcription.models.lease import CLOCK_SKEW, LeaseLost
from transcription.models.notification import Notification, NotificationQuerySet
from transcription.models.transcript import (
    BACKOFF_SECONDS,
    MAX_ATTEMPTS,
    MAX_JOBS,
    Transcript,
    TranscriptQuerySet,
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
    "webhook_token",
]
