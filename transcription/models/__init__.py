from transcription.exports.models import Export
from transcription.leases import CLOCK_SKEW, LeaseLost
from transcription.models.transcript import Transcript, webhook_token
from transcription.models.transcript_queries import TranscriptQuerySet
from transcription.models.work import BACKOFF_SECONDS, MAX_ATTEMPTS, MAX_JOBS
from transcription.notifications.models import Notification, NotificationQuerySet
from transcription.retention.models import Deletion
from transcription.review.models import (
    Correction,
    Mistake,
    Original,
    Revision,
    Score,
)
from transcription.vocabulary.models import Batch, Vocabulary, VocabularyVersion

__all__ = [
    "BACKOFF_SECONDS",
    "CLOCK_SKEW",
    "MAX_ATTEMPTS",
    "MAX_JOBS",
    "Batch",
    "Correction",
    "Deletion",
    "Export",
    "LeaseLost",
    "Mistake",
    "Notification",
    "NotificationQuerySet",
    "Original",
    "Revision",
    "Score",
    "Transcript",
    "TranscriptQuerySet",
    "Vocabulary",
    "VocabularyVersion",
    "webhook_token",
]
