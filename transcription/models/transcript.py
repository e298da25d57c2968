from __future__ import annotations

import time
from datetime import datetime, timedelta
from decimal import Decimal
from random import uniform
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, Exists, F, Q, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language_info

from caller.concerns import IsConcern
from caller.contacts.models import name_of
from caller.models import Recording
from djtranscribe.database import hand_back_connection
from djtranscribe.models import PROBE_AFTER
from djtranscribe.vendors.errors import VendorError
from transcription.leases import NOT_KILLED, LeaseLost, free, taken
from transcription.notifications.models import Notification
from transcription.search.tokens import indexed
from transcription.vocabulary.models import Vocabulary

# AssemblyAI deletes uploads after 24 hours; one hour less is safe.
UPLOAD_LIVES = timedelta(hours=23)
# Waits between retries, doubling. The row fails after about a day.
BACKOFF_SECONDS = (5, 900)
# The longest wait. A longer one means that a clock was put back.
LONGEST_WAIT = timedelta(minutes=20)
MAX_ATTEMPTS = 100
STUCK_AFTER = timedelta(minutes=15)
# Jobs per transcript. Failed jobs are not charged, but most fail again.
MAX_JOBS = 4
# After two killed workers a row is a suspect. Suspects run one at a time, so that a row
# is not blamed for a kill that another one caused.
SUSPECT_KILLS = 2


class TranscriptQuerySet(models.QuerySet["Transcript"]):
    def update(self, **columns: Any) -> int:
        """Also update the search index, which follows the text."""
        if "text" in columns:
            columns["search_text"] = indexed(columns["text"])
        return super().update(**columns)

    def named(self) -> TranscriptQuerySet:
        """Add the name of the contact who was called, as `contact_name`."""
        return self.annotate(contact_name=name_of("recording__call__other_number"))

    def unfinished(self) -> TranscriptQuerySet:
        return self.exclude(status__in=Transcript.FINISHED)

    def unclaimed(self, now: datetime) -> TranscriptQuerySet:
        return self.filter(free(now, timedelta(seconds=settings.LEASE_SECONDS)))

    def due(self, now: datetime) -> TranscriptQuerySet:
        """Rows that are due and not leased."""
        its_time = Q(next_attempt_at__lte=now) | Q(
            next_attempt_at__gt=now + LONGEST_WAIT
        )
        return self.unfinished().unclaimed(now).filter(its_time)

    def unannounced(self, now: datetime) -> TranscriptQuerySet:
        """Rows without a message in the queue. A claim clears the time."""
        # An older message is lost, together with the process that sent it.
        lost = now - timedelta(seconds=settings.RECOVER_SECONDS / 3)
        return self.exclude(announced_at__gt=lost, announced_at__lte=now)

    def current(self) -> TranscriptQuerySet:
        """Rows that are not from a back-fill (reconcile --all)."""
        return self.filter(priority__gte=0)

    def stuck(self, now: datetime) -> TranscriptQuerySet:
        """Rows that take longer than usual."""
        return self.unfinished().filter(created_at__lt=now - STUCK_AFTER)

    def paused(self) -> TranscriptQuerySet:
        """Rows that wait because a vendor refuses our account or settings."""
        account = Transcript.ErrorClass.ACCOUNT
        return self.unfinished().filter(error_class=account)

    def failed(self) -> TranscriptQuerySet:
        return self.filter(status=Transcript.Status.ERROR)

    def suspected(self, now: datetime) -> TranscriptQuerySet:
        """Suspects that are leased now."""
        rows = self.unfinished().filter(kills__gt=SUSPECT_KILLS)
        return rows.exclude(free(now, timedelta(seconds=settings.LEASE_SECONDS)))

    def claim(self, pk: int) -> Transcript | None:
        """Lease a row for LEASE_SECONDS. None if it is not due or leased already."""
        now, columns = timezone.now(), taken(Transcript.lease_end())
        alone = Q(kills__lt=SUSPECT_KILLS) | ~Exists(self.suspected(now))
        with transaction.atomic():
            mine = self.due(now).filter(alone, pk=pk)
            if not mine.update(announced_at=None, **columns):
                return None
            return self.select_related("recording", "vocabulary").get(
                pk=pk, lease=columns["lease"]
            )


class Transcript(models.Model):
    """The words of one recording. A recording may have several transcripts."""

    class Status(models.TextChoices):
        # Ours, on the way to AssemblyAI
        PENDING = "pending", "Waiting for the audio"
        FETCHED = "fetched", "Audio stored"
        UPLOADED = "uploaded", "Audio handed over"
        SUBMITTING = "submitting", "Being submitted"
        LOST = "lost", "Answer lost: looking for the job"
        # AssemblyAI's own statuses
        QUEUED = "queued", "Queued at AssemblyAI"
        PROCESSING = "processing", "Being transcribed"
        COMPLETED = "completed", "Completed"
        ERROR = "error", "Error"

    FINISHED = (Status.COMPLETED, Status.ERROR)
    # Large columns, besides the words, that few readers need: defer(*HEAVY).
    HEAVY = (
        *("search_text", "original_text", "request", "response"),
        "recording__peaks",
    )
    # Columns to reset before the next job.
    NO_JOB: dict[str, Any] = dict.fromkeys(
        ("assemblyai_id", "submitted_at", "response")
    )

    class ErrorClass(models.TextChoices):
        TEMPORARY = "temporary", "Temporary: retried automatically"
        ACCOUNT = "account", "Our account at the vendor"
        PERMANENT = "permanent", "Permanent"
        NO_SPEECH = "no-speech", "Nobody spoke"

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    recording = models.ForeignKey(
        Recording, on_delete=models.CASCADE, related_name="transcripts"
    )
    assemblyai_id = models.CharField(
        "AssemblyAI id", max_length=64, unique=True, null=True, blank=True
    )
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.PENDING, db_index=True
    )
    vocabulary = models.ForeignKey(
        Vocabulary,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        verbose_name="keyword list",
    )
    # The version that was sent. Null before that, and if there was no list.
    vocabulary_version = models.PositiveIntegerField(null=True, editable=False)
    # The models to ask for, instead of SPEECH_MODELS.
    speech_models = models.JSONField(null=True, editable=False)

    # What was sent
    audio_url = models.TextField(blank=True)
    uploaded_at = models.DateTimeField(null=True, blank=True)
    request = models.JSONField("request sent to AssemblyAI", null=True, blank=True)
    # If set without `assemblyai_id`, a job may exist whose id we did not receive.
    submitted_at = models.DateTimeField(null=True, blank=True)
    jobs = models.PositiveSmallIntegerField("jobs started", default=0)
    # When AssemblyAI first refused it for a reason that is not about this recording.
    refused_at = models.DateTimeField(null=True, blank=True)

    # What came back, with the corrections of people.
    text = models.TextField(blank=True)
    # What AssemblyAI wrote. Null while the text still is what it wrote.
    original_text = models.TextField(null=True, editable=False)
    # AssemblyAI's list, unchanged: text, start and end (ms), confidence (0 to 1 or
    # null), speaker, channel.
    words = models.JSONField(default=list, blank=True)
    # What the search index is made of, see transcription/search/tokens.py.
    search_text = models.TextField(default="", blank=True, editable=False)
    confidence = models.FloatField(null=True, blank=True)
    language = models.CharField(max_length=20, blank=True)
    model_used = models.CharField(max_length=40, blank=True)
    audio_seconds = models.FloatField("audio (seconds)", null=True, blank=True)
    # Who speaks on which channel of a conversation: {"1": "ada", "2": "Bob Stone"}.
    channel_names = models.JSONField(null=True, editable=False)
    # The answer without `text` and `words`.
    response = models.JSONField("answer of AssemblyAI", null=True, blank=True)

    # The number of its last revision, see transcription/review/. Null: no review yet.
    # Nullable, so that SQLite adds the column without copying the table.
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

    # The work
    error = models.TextField(blank=True)
    error_class = models.CharField(
        max_length=20, choices=ErrorClass.choices, blank=True
    )
    attempts = models.PositiveIntegerField("failed attempts at this step", default=0)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(
        default=timezone.now, null=True, blank=True, db_index=True
    )
    announced_at = models.DateTimeField(null=True, blank=True)
    # Priority in the queue: back-fills are negative, so that new calls go first.
    priority = models.SmallIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    # See transcription/leases.py.
    kills = models.PositiveSmallIntegerField(
        "workers killed at this step", default=0, editable=False
    )

    lease_kept_at = 0.0

    objects = TranscriptQuerySet.as_manager()

    # Order by these: rows without a value come last.
    CONFIDENCE_ORDER = Coalesce("confidence", 2.0)
    LENGTH = Coalesce("audio_seconds", -1.0)

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("correct_transcript", "Can correct transcripts"),
            ("verify_transcript", "Can verify and reopen transcripts"),
        ]
        # For the orders and filters of admin's list, newest first.
        indexes = [
            models.Index(
                Coalesce("confidence", 2.0), "id", name="transcript_by_confidence"
            ),
            models.Index(
                Coalesce("audio_seconds", -1.0), "id", name="transcript_by_length"
            ),
            # For the home page: see caller.dashboard.needs_attention.
            models.Index(IsConcern(), "created_at", name="transcript_by_concern"),
            # The condition must be the one of `unfinished`, or it is not used.
            models.Index(
                fields=["created_at"],
                condition=~Q(status__in=["completed", "error"]),
                name="transcript_unfinished",
            ),
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
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def is_failed(self) -> bool:
        return self.status == self.Status.ERROR

    @property
    def failure(self) -> str:
        """The sentence to show instead of the text of a failed transcript."""
        reason = self.error or "No reason is known."
        return f"This recording could not be transcribed. {reason}"

    @property
    def is_submitted(self) -> bool:
        """Whether we know a job of it at AssemblyAI."""
        return self.assemblyai_id is not None

    @property
    def is_unread(self) -> bool:
        """Whether we do not know how its job ended."""
        # Older rows have no response, only the error of `settle_error`.
        is_known = self.response or self.error.startswith("AssemblyAI: ")
        return not self.is_finished or (self.is_failed and not is_known)

    @property
    def nobody_spoke(self) -> bool:
        return self.status == self.Status.COMPLETED and not self.text

    def siblings(self) -> models.QuerySet[Transcript]:
        """The other transcripts of the same recording."""
        rows = Transcript.objects.filter(recording=self.recording_id)
        return rows.exclude(pk=self.pk)

    @property
    def as_heard(self) -> str:
        """The text as AssemblyAI wrote it."""
        # A revision need not change the text. Without one, do not load the column.
        if not self.revision or self.original_text is None:
            return self.text
        return self.original_text

    @property
    def lang(self) -> str:
        """Return the language for HTML: `en` for en_us, or "" for other forms."""
        return self.language[:2] if len(self.language) in (2, 5) else ""

    @property
    def language_name(self) -> str:
        return language_name(self.language)

    @property
    def progress(self) -> str:
        """Progress in words, for operators."""
        return self.error or str(self.get_status_display())

    @property
    def upload_is_fresh(self) -> bool:
        """Whether AssemblyAI still has the uploaded audio."""
        if not self.uploaded_at:
            return bool(self.audio_url)
        return timezone.now() < self.uploaded_at + UPLOAD_LIVES

    # The lease. A step stores its outcome only while it holds the lease.

    def keep_lease(self) -> None:
        """Extend the lease during long work, now and then. Raises LeaseLost."""
        # Not a comparison of times: clocks may be put back.
        if time.monotonic() - self.lease_kept_at < settings.LEASE_SECONDS / 4:
            return
        self.write(leased_until=self.lease_end())
        self.lease_kept_at = time.monotonic()
        hand_back_connection()

    @staticmethod
    def lease_end() -> datetime:
        """End of a lease that starts now."""
        return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)

    def write(self, **columns: Any) -> None:
        """Store these columns and keep the lease. Raises LeaseLost."""
        mine = Transcript.objects.filter(pk=self.pk, lease=self.lease)
        if not mine.update(**columns):
            raise LeaseLost
        for name, value in columns.items():
            setattr(self, name, value)

    def release(self, wait: timedelta | None = timedelta(), **columns: Any) -> None:
        """Store the step's outcome and release the lease. The row is due after `wait`.

        Only `finish` passes no wait. If a webhook has made the row due meanwhile, it
        stays due. Raises LeaseLost.
        """
        due_at: Any = None
        if wait is not None:
            due_at = Case(
                When(next_attempt_at=self.next_attempt_at, then=timezone.now() + wait),
                default=F("next_attempt_at"),
                output_field=models.DateTimeField(),
            )
        mine = Transcript.objects.filter(pk=self.pk, lease=self.lease)
        fresh = {"attempts": 0, "error": "", "error_class": "", "kills": 0}
        columns = {**fresh, **columns}
        if not mine.update(
            next_attempt_at=due_at, lease=None, leased_until=None, **columns
        ):
            raise LeaseLost

    def finish(self, status: Status, cost: Decimal = Decimal(), **columns: Any) -> None:
        """Finish or fail the transcript, with its notifications and cost, or nothing.

        Raises LeaseLost.
        """
        now = timezone.now()
        columns |= {"status": status, "finished_at": now}
        if not cost and not Notification.wanted():
            self.release(wait=None, **columns)
            return
        with transaction.atomic():
            self.release(wait=None, **columns)
            if cost:
                Recording.objects.filter(pk=self.recording_id).update(
                    transcription_cost=Coalesce(F("transcription_cost"), Decimal())
                    + cost
                )
            for name, value in columns.items():
                setattr(self, name, value)
            Notification.objects.write_down(self, now)

    def retry_later(self, error: VendorError | OSError, **columns: Any) -> None:
        """Schedule a retry after a temporary failure, or fail after about a day."""
        attempts = self.attempts + 1
        if attempts >= MAX_ATTEMPTS:
            self.fail(
                f"Given up after {attempts} attempts. {explain(error)}", **columns
            )
            return
        first, longest = BACKOFF_SECONDS
        seconds = min(longest, first * 2 ** min(attempts - 1, 16)) * uniform(0.75, 1.25)  # noqa: S311
        if isinstance(error, VendorError) and error.retry_after:
            seconds = max(seconds, error.retry_after)
        self.release(
            wait=min(timedelta(seconds=seconds), LONGEST_WAIT),
            attempts=attempts,
            error=explain(error),
            error_class=self.ErrorClass.TEMPORARY,
            kills=NOT_KILLED,
            **columns,
        )

    def pause(self, reason: str, seconds: float | None = None, **columns: Any) -> None:
        """Wait because a vendor refuses our account or is busy. Not an attempt.

        seconds: as long as a busy vendor asked for. They are not shorter than the
        first wait after a failure.
        """
        wait = timedelta(seconds=max(seconds, BACKOFF_SECONDS[0])) if seconds else None
        self.release(
            wait=min(wait or PROBE_AFTER, LONGEST_WAIT),
            attempts=self.attempts,
            error=reason,
            error_class=self.ErrorClass.ACCOUNT,
            kills=NOT_KILLED,
            **columns,
        )

    def retry(self) -> bool:
        """Restart at the stage that failed. False if the transcript has not failed."""
        columns: dict[str, Any] = {}
        if self.assemblyai_id and self.is_unread:
            # The job may have succeeded, and is paid for.
            status = self.Status.QUEUED
        elif self.assemblyai_id:
            # The job failed, which is not charged, or was deleted.
            status, columns = self.Status.FETCHED, self.NO_JOB
        elif self.submitted_at:
            # A job may exist: search for it before paying for another.
            status = self.Status.LOST
        elif self.audio_url and self.upload_is_fresh:
            status = self.Status.UPLOADED
        else:
            status = self.Status.PENDING
        # Only if the row has not changed since we read it.
        failed = Transcript.objects.failed().filter(
            pk=self.pk,
            assemblyai_id=self.assemblyai_id,
            submitted_at=self.submitted_at,
        )
        return bool(
            failed.update(
                status=status,
                error="",
                error_class="",
                attempts=0,
                refused_at=None,
                kills=0,
                finished_at=None,
                next_attempt_at=timezone.now(),
                **columns,
            )
        )

    def fail(self, reason: str, **columns: Any) -> None:
        permanent = {"error": reason, "error_class": self.ErrorClass.PERMANENT}
        self.finish(**{**columns, **permanent, "status": self.Status.ERROR})

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


def explain(error: VendorError | OSError) -> str:
    if isinstance(error, VendorError):
        return error.message
    return f"The audio could not be stored or read: {error.strerror or error}."
