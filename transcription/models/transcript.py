from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language_info

from caller.concerns import IsConcern
from transcription.models.work import Work
from transcription.tokens import indexed
from transcription.vocabulary.models import Vocabulary


class Transcript(Work):
    """The words of one recording. A recording may have several transcripts."""

    # Large columns that few pages need, for defer(*LARGE_COLUMNS). `words` is not here,
    # because search results need this column.
    LARGE_COLUMNS = (
        *("search_text", "original_text", "request", "response"),
        "recording__peaks",
    )

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    vocabulary = models.ForeignKey(
        Vocabulary,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        verbose_name="keyword list",
    )
    # Version of the keyword list that was sent to AssemblyAI. Null if none was sent.
    vocabulary_version = models.PositiveIntegerField(null=True, editable=False)
    # The speech models to request. Null means those of the setting SPEECH_MODELS.
    speech_models = models.JSONField(null=True, editable=False)

    # The current text, with people's corrections.
    text = models.TextField(blank=True)
    # The text that AssemblyAI wrote. Null if `text` is the same.
    original_text = models.TextField(null=True, editable=False)
    # AssemblyAI's list of words, without people's corrections. Each word is an object
    # with text, start and end (ms), confidence (0 to 1), speaker and channel. Any of
    # these may be missing or invalid, see transcription/words.py.
    words = models.JSONField(default=list, blank=True)
    # The words of `text`, encoded for the search index by tokens.indexed. `save` and
    # the queryset's `update` keep this column up to date.
    search_text = models.TextField(default="", blank=True, editable=False)
    confidence = models.FloatField(null=True, blank=True)
    language = models.CharField(max_length=20, blank=True)
    model_used = models.CharField(max_length=40, blank=True)
    audio_seconds = models.FloatField("audio (seconds)", null=True, blank=True)
    # Who speaks on which channel: {"1": "ada", "2": "Bob Stone"}. Null if the recording
    # is not a conversation with two channels.
    channel_names = models.JSONField(null=True, editable=False)
    # Number of the last Revision (transcription/review/models.py), or null.
    revision = models.PositiveIntegerField(null=True, editable=False)
    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
    )

    # Expressions to sort by: confidence ascending, length descending. Rows without a
    # value then come last.
    CONFIDENCE_ORDER = Coalesce("confidence", 2.0)
    LENGTH = Coalesce("audio_seconds", -1.0)

    NOBODY_SPOKE = "Nobody spoke in this recording."

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("correct_transcript", "Can correct transcripts"),
            ("verify_transcript", "Can verify and reopen transcripts"),
        ]
        # To sort and filter admin's list by confidence and by length.
        indexes = [
            models.Index(
                Coalesce("confidence", 2.0), "id", name="transcript_by_confidence"
            ),
            models.Index(
                Coalesce("audio_seconds", -1.0), "id", name="transcript_by_length"
            ),
            # For the home page, which lists calls that need attention.
            models.Index(IsConcern(), "created_at", name="transcript_by_concern"),
            # The condition must be the same as in TranscriptQuerySet.unfinished:
            # otherwise the database does not use this index.
            models.Index(
                fields=["created_at"],
                condition=~Q(status__in=["completed", "error"]),
                name="transcript_unfinished",
            ),
            # To filter admin's list by these columns, newest transcripts first.
            *(
                models.Index(fields=[column, "created_at"], name=name)
                for column, name in {
                    "status": "transcript_by_status",
                    "vocabulary": "transcript_by_vocabulary",
                    "language": "transcript_by_language",
                    "model_used": "transcript_by_model",
                }.items()
            ),
        ]

    def __str__(self) -> str:
        if self.recording.call:
            return f"Transcript of the {self.recording.call.description}"
        return f"Transcript of {self.recording.origin}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        columns = kwargs.get("update_fields")
        is_text_saved = "text" in columns if columns is not None else True
        if is_text_saved and "text" not in self.get_deferred_fields():
            self.search_text = indexed(self.text)
            if columns is not None:
                kwargs["update_fields"] = {*columns, "search_text"}
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("admin:transcription_transcript_change", args=[self.pk])

    @property
    def missing_text_reason(self) -> str:
        """Why there is no text, for users. "" if there is a text."""
        if self.is_failed:
            reason = self.error or "No reason is known."
            return f"This recording could not be transcribed. {reason}"
        if not self.is_finished:
            return f"This transcript is not finished: {self.progress.rstrip('.')}."
        if self.nobody_spoke:
            return self.NOBODY_SPOKE
        return "" if self.text else "All words of this transcript were removed."

    @property
    def nobody_spoke(self) -> bool:
        """Whether AssemblyAI found no words, and no person has added words."""
        is_empty = self.status == self.Status.COMPLETED and not self.text
        return is_empty and not self.uncorrected_text

    def siblings(self) -> models.QuerySet[Transcript]:
        """The other transcripts of the same recording."""
        rows = Transcript.objects.filter(recording=self.recording_id)
        return rows.exclude(pk=self.pk)

    @property
    def uncorrected_text(self) -> str:
        """The text as AssemblyAI wrote it."""
        # Test `revision` first: if `original_text` is deferred, reading it costs a
        # query.
        if not self.revision or self.original_text is None:
            return self.text
        return self.original_text

    @property
    def lang(self) -> str:
        """Return the value of HTML's `lang`, such as `en` for `en` or `en_us`.

        Return "" if the code does not have 2 or 5 characters.
        """
        return self.language[:2] if len(self.language) in (2, 5) else ""

    @property
    def language_name(self) -> str:
        return language_name(self.language)

    @property
    def progress(self) -> str:
        """A text for operators: the error or, if there is none, the status."""
        return self.error or str(self.get_status_display())

    def webhook_token(self) -> str:
        """Token that authenticates AssemblyAI's webhook for this transcript."""
        return webhook_token(self.uuid, settings.SECRET_KEY)


def language_name(code: str) -> str:
    """Return `English (en_us)`, or the code if Django does not know the language."""
    try:
        name = get_language_info(code.replace("_", "-").lower())["name"]
    except KeyError:
        return code
    return f"{name} ({code})"


def webhook_token(uuid: UUID, secret: str) -> str:
    return salted_hmac("transcription.webhook", str(uuid), secret=secret).hexdigest()
