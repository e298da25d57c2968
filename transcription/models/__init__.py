from transcription.exports.models import Export
from transcription.leases import LeaseLost
from transcription.models.transcript import Transcript, webhook_token
from transcription.models.transcript_queries import TranscriptQuerySet
from transcription.models.work import MAX_ATTEMPTS, MAX_JOBS
from transcription.notifications.models import Notification
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
    "MAX_ATTEMPTS",
    "MAX_JOBS",
    "Batch",
    "Correction",
    "Deletion",
    "Export",
    "LeaseLost",
    "Mistake",
    "Notification",
    "Original",
    "Revision",
    "Score",
    "Transcript",
    "TranscriptQuerySet",
    "Vocabulary",
    "VocabularyVersion",
    "webhook_token",
]
