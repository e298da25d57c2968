"""The work on a transcript: its status, its lease, retries and pauses."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from decimal import Decimal
from random import uniform
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from caller.models import Recording
from djtranscribe.database import release_connection
from djtranscribe.models import PROBE_INTERVAL
from djtranscribe.statements import update
from djtranscribe.vendors.errors import VendorError
from transcription.leases import LeaseLost, kills_without_own, renew
from transcription.models.transcript_queries import (
    MAX_WAIT,
    TranscriptQuerySet,
    with_search_text,
)
from transcription.notifications.models import Notification

if TYPE_CHECKING:
    from transcription.models.transcript import Transcript

# AssemblyAI deletes uploads after 24 hours; one hour less is safe.
UPLOAD_LIFETIME = timedelta(hours=23)
# The first and the longest wait before a retry. The wait doubles after each failed
# attempt, and varies randomly by up to 25%.
BACKOFF_SECONDS = (5, 900)
# After this many failed attempts at one step (about a day), the transcript fails.
MAX_ATTEMPTS = 100
# Some failed jobs are repeated (see `handle_failed_job` in steps.py), until the
# transcript has had this many jobs. This limit does not apply to jobs that failed
# because of our settings.
MAX_JOBS = 4


class Work(models.Model):
    """Base of Transcript, with the state of the work.

    A step (see steps.py) stores its outcome only while its worker holds the lease of
    the row.
    """

    class Status(models.TextChoices):
        # Our own statuses, until AssemblyAI has the job
        PENDING = "pending", "Waiting for the audio"
        FETCHED = "fetched", "Audio stored"
        UPLOADED = "uploaded", "Audio ready for AssemblyAI"
        SUBMITTING = "submitting", "Being submitted"
        LOST = "lost", "Answer lost: checking with AssemblyAI"
        # AssemblyAI's own statuses
        QUEUED = "queued", "Queued at AssemblyAI"
        PROCESSING = "processing", "Being transcribed"
        COMPLETED = "completed", "Completed"
        ERROR = "error", "Failed"

    FINISHED = (Status.COMPLETED, Status.ERROR)
    # Set these columns to null before AssemblyAI gets a new job.
    NO_JOB: dict[str, Any] = dict.fromkeys(
        ("assemblyai_id", "submitted_at", "response")
    )

    class ErrorClass(models.TextChoices):
        TEMPORARY = "temporary", "Temporary: retried automatically"
        ACCOUNT = "account", "Vendor refuses our account or settings, or is busy"
        PERMANENT = "permanent", "Permanent"
        NO_SPEECH = "no-speech", "Nobody spoke"

    recording = models.ForeignKey(
        Recording, on_delete=models.CASCADE, related_name="transcripts"
    )
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.PENDING, db_index=True
    )

    # The job at AssemblyAI
    assemblyai_id = models.CharField(
        "AssemblyAI id", max_length=64, unique=True, null=True, blank=True
    )
    audio_url = models.TextField(blank=True)
    uploaded_at = models.DateTimeField(null=True, blank=True)
    request = models.JSONField("request sent to AssemblyAI", null=True, blank=True)
    # The time just before we request a job. If `assemblyai_id` stays null, AssemblyAI
    # may have a job whose id we do not know.
    submitted_at = models.DateTimeField(null=True, blank=True)
    jobs = models.PositiveSmallIntegerField("jobs started", default=0)
    # When AssemblyAI first refused this transcript, probably because of our settings.
    refused_at = models.DateTimeField(null=True, blank=True)
    # AssemblyAI's answer about the finished job. After a success, `text` and `words`
    # are left out. With REDACT_PII, `payloads.redact` leaves out more.
    response = models.JSONField("AssemblyAI's answer", null=True, blank=True)

    # Failures, times, the queue and the lease
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
    # When a message (tasks.advance) was queued. Null after a worker has received it.
    announced_at = models.DateTimeField(null=True, blank=True)
    # Priority in the queue: back-fills are negative, so that new calls go first.
    priority = models.SmallIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    # How many workers were killed at this step. A worker adds 1 in advance, in case it
    # is killed: see leases.py.
    kills = models.PositiveSmallIntegerField(
        "workers killed at this step", default=0, editable=False
    )

    # When `keep_lease` was last called, and when the lease was last extended, as values
    # of time.monotonic(). See leases.renew.
    worked_at = lease_kept_at = 0.0
    has_lost_lease = False
    # Whether the last step has kept the lease for the next step.
    may_continue = False
    # Whether the last step has released the lease, and the next step is already due.
    is_due = False

    objects = TranscriptQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def is_failed(self) -> bool:
        return self.status == self.Status.ERROR

    @property
    def is_submitted(self) -> bool:
        """Whether we know the id of a job at AssemblyAI."""
        return self.assemblyai_id is not None

    @property
    def is_unread(self) -> bool:
        """Whether the job may have a result that we have not read."""
        # Older versions of djtranscribe did not store the `response` of a failed job,
        # but only an `error` that begins with "AssemblyAI: ".
        is_known = self.response or self.error.startswith("AssemblyAI: ")
        return not self.is_finished or (self.is_failed and not is_known)

    @property
    def is_upload_fresh(self) -> bool:
        """Whether AssemblyAI can still read the audio at `audio_url`.

        A URL at Twilio does not expire. Only an upload has `uploaded_at`.
        """
        if not self.uploaded_at:
            return bool(self.audio_url)
        return timezone.now() < self.uploaded_at + UPLOAD_LIFETIME

    def keep_lease(self) -> None:
        """Extend the lease during long work. Raises LeaseLost.

        Call this often: it writes at most once in a quarter of LEASE_SECONDS.
        """
        # time.monotonic(), because the system clock may be set back.
        self.worked_at = time.monotonic()
        if self.worked_at - self.lease_kept_at > settings.LEASE_SECONDS / 4:
            renew(self, self.lease_end())
            release_connection()
        if self.has_lost_lease:
            raise LeaseLost

    @staticmethod
    def lease_end() -> datetime:
        """Return the end of a lease that starts now."""
        return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)

    def store_if_leased(self, columns: dict[str, Any], **unchanged: Any) -> bool:
        """Store the columns if the row still has our lease.

        Return False if nothing was stored.
        unchanged: other columns that must still have these values.
        """
        where = {"id": self.pk, "lease": self.lease, **unchanged}
        return update(type(self), where, with_search_text(columns)) > 0

    def store_or_raise(self, **columns: Any) -> None:
        """Store these columns and keep the lease. Raises LeaseLost."""
        if not self.store_if_leased(columns):
            raise LeaseLost
        for name, value in columns.items():
            setattr(self, name, value)

    def release(self, wait: timedelta | None = timedelta(), **columns: Any) -> None:
        """Store the step's outcome and release the lease. Raises LeaseLost.

        wait: the time until the next step, or None if there is no next step. A time is
        ignored if a webhook or a person made the row due during this step.
        columns: the outcome. By default, `attempts`, `error`, `error_class` and `kills`
        are reset.
        """
        fresh = {"attempts": 0, "error": "", "error_class": "", "kills": 0}
        columns = {**fresh, **columns, "lease": None, "leased_until": None}
        if wait is None:
            is_stored = self.store_if_leased({**columns, "next_attempt_at": None})
        else:
            is_stored = self.store_if_leased(
                {**columns, "next_attempt_at": timezone.now() + wait},
                next_attempt_at=self.next_attempt_at,
            )
            self.is_due = not (is_stored and wait)
            # If a webhook or a person has changed `next_attempt_at`, nothing is stored
            # yet. Keep the new time, and store the other columns.
            is_stored = is_stored or self.store_if_leased(columns)
        if not is_stored:
            raise LeaseLost

    def store_and_continue(self, **columns: Any) -> None:
        """Store the step's outcome and keep the lease: the next step follows at once.

        Raises LeaseLost.
        """
        # The step has succeeded, so forget earlier kills. Start at 1, not 0: a worker
        # adds 1 before each step, in case it is killed during the step (see leases.py).
        self.store_or_raise(
            attempts=0,
            error="",
            error_class="",
            kills=1,
            leased_until=self.lease_end(),
            **columns,
        )
        self.may_continue = True

    def finish(self, status: Status, cost: Decimal = Decimal(), **columns: Any) -> None:
        """Store the final status, the cost and the notifications in one transaction.

        cost: AssemblyAI's charge for the job. Add it to the recording's
        `transcription_cost`.
        If the lease is lost, raises LeaseLost and stores nothing.
        """
        now = timezone.now()
        # Clear an old error not only in the database, but also in this object, because
        # the notifications copy the error from this object.
        columns = {"error": "", "error_class": "", **columns}
        columns |= {"status": status, "finished_at": now}
        if not cost and not Notification.enabled_kinds():
            self.release(wait=None, **columns)
            self.status = status
            return
        with transaction.atomic():
            self.release(wait=None, **columns)
            for name, value in columns.items():
                setattr(self, name, value)
            if cost:
                Recording.objects.filter(pk=self.recording_id).update(
                    transcription_cost=Coalesce(F("transcription_cost"), Decimal())
                    + cost
                )
            Notification.objects.create_for_result(cast("Transcript", self), now)

    def retry_later(self, error: VendorError | OSError, **columns: Any) -> None:
        """Schedule a retry after a temporary failure, or fail after MAX_ATTEMPTS."""
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
            wait=min(timedelta(seconds=seconds), MAX_WAIT),
            attempts=attempts,
            error=explain(error),
            error_class=self.ErrorClass.TEMPORARY,
            kills=kills_without_own(self),
            **columns,
        )

    def pause(self, reason: str, seconds: float | None = None, **columns: Any) -> None:
        """Postpone the step: a vendor refuses our account or settings, or is busy.

        This does not count as a failed attempt.
        seconds: the wait that a busy vendor asked for. None means PROBE_INTERVAL. We
        wait at least 5 s (BACKOFF_SECONDS) and at most MAX_WAIT.
        """
        wait = timedelta(seconds=max(seconds, BACKOFF_SECONDS[0])) if seconds else None
        self.release(
            wait=min(wait or PROBE_INTERVAL, MAX_WAIT),
            attempts=self.attempts,
            error=reason,
            error_class=self.ErrorClass.ACCOUNT,
            kills=kills_without_own(self),
            **columns,
        )

    def retry(self) -> bool:
        """Restart a failed transcript. Reuse its audio, upload or job where possible.

        Return False if the transcript has not failed, or was restarted meanwhile. Call
        `tasks.enqueue_once` next: this method queues no message.
        """
        columns: dict[str, Any] = {}
        if self.assemblyai_id and self.is_unread:
            # The job may have succeeded. Then we have paid for it, so read the result.
            status = self.Status.QUEUED
        elif self.assemblyai_id:
            # The job failed (AssemblyAI does not charge for that) or was deleted.
            status, columns = self.Status.FETCHED, self.NO_JOB
        elif self.submitted_at:
            # A job may exist: search for it before paying for another.
            status = self.Status.LOST
        elif self.audio_url and self.is_upload_fresh:
            status = self.Status.UPLOADED
        else:
            status = self.Status.PENDING
        # Update the row only if it has not changed since we read it.
        failed = (
            type(self)
            ._default_manager.failed()
            .filter(
                pk=self.pk,
                assemblyai_id=self.assemblyai_id,
                submitted_at=self.submitted_at,
            )
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


def explain(error: VendorError | OSError) -> str:
    if isinstance(error, VendorError):
        return error.message
    return f"The audio could not be stored or read: {error.strerror or error}."
