from transcription.exports.models import Export
from transcription.leases import CLOCK_SKEW, LeaseLost
from transcription.models.transcript import (
    BACKOFF_SECONDS,
    MAX_ATTEMPTS,
    MAX_JOBS,
    Transcript,
    TranscriptQuerySet,
    webhook_token,
)
from transcription.notifications.models import Notification, NotificationQuerySet
from transcription.vocabulary.models import Vocabulary

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
