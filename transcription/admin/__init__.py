from transcription.admin.export import ExportAdmin
from transcription.admin.notification import NotificationAdmin
from transcription.admin.transcript import TranscriptAdmin
from transcription.admin.vocabulary import VocabularyAdmin

__all__ = ["ExportAdmin", "NotificationAdmin", "TranscriptAdmin", "VocabularyAdmin"]
