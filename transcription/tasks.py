"""The pipeline: turn a recording into a transcript, one step at a time.

The state is in the rows of Transcript. A message in the queue only says "advance
transcript 42". No message has to be reliable:
- Lost or late: every few seconds, the worker calls `sweep`, which queues overdue rows.
- Duplicated: the lease lets only one worker act on a row.
"""

import logging

from django.db import DataError, Error, IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django_tasks import task

from caller.conversations.channels import channel_names
from caller.models import Recording
from djtranscribe.vendors.errors import VendorError, internal_error
from transcription.leases import MAX_KILLS, hold_lease, killed_workers_message
from transcription.models import LeaseLost, Transcript, Vocabulary
from transcription.steps import ACTIVITIES, READING_RESULT, STEPS, refresh

logger = logging.getLogger(__name__)


@task()
def advance(transcript_pk: int) -> None:
    """Run all steps that are possible now. Does not raise if a vendor fails."""
    transcript = Transcript.objects.claim(transcript_pk)
    if transcript is None:
        # The row cannot be claimed now (see `claim`), and its message has left the
        # queue. Clear `announced_at`: then `sweep` can queue a new message.
        row = Transcript.objects.unfinished().filter(pk=transcript_pk)
        row.exclude(announced_at=None).update(announced_at=None)
    while transcript:
        transcript.may_continue = transcript.is_due = False
        try:
            with hold_lease(transcript):
                take_step(transcript)
        except LeaseLost:
            logger.warning("transcript=%s lease=lost", transcript.uuid)
            return
        if transcript.is_due:
            transcript = Transcript.objects.claim(transcript_pk)
        elif not transcript.may_continue:
            return


def start(
    recording: Recording, vocabulary: Vocabulary | None = None, priority: int = 0
) -> Transcript:
    """Create a transcript and queue it.

    Without `vocabulary`, `keyword_list_for` chooses the keyword list.
    """
    transcript = Transcript.objects.create(
        recording=recording,
        vocabulary=vocabulary or keyword_list_for(recording),
        priority=priority,
        channel_names=channel_names(recording),
        announced_at=timezone.now(),
    )
    enqueue(transcript.pk, priority)
    return transcript


def keyword_list_for(recording: Recording) -> Vocabulary | None:
    """Return the list that was chosen for the call, or the list for its number."""
    call = recording.call
    if call and call.vocabulary:
        return call.vocabulary
    return Vocabulary.objects.find_for_number(call.other_number if call else "")


class AudioDeleted(Exception):
    """The audio of a recording was deleted, so it cannot be transcribed again."""


def start_unless_running(
    recording: Recording, vocabulary: Vocabulary | None
) -> tuple[Transcript, bool]:
    """Start a transcript, unless an unfinished one has the same keyword list (version).

    Return (the new or unfinished transcript, whether it is new). So a double click does
    not cost twice. Raises AudioDeleted.
    vocabulary: the keyword list. If None, `keyword_list_for` chooses the list.
    """
    with transaction.atomic():
        # Lock the recording, because a double click sends two requests at once.
        rows = Recording.objects.select_for_update().filter(pk=recording.pk)
        if rows.filter(audio_deleted_at=None).first() is None:
            raise AudioDeleted
        vocabulary = vocabulary or keyword_list_for(recording)
        version = vocabulary.version if vocabulary else None
        running = recording.transcripts.unfinished().filter(
            # `vocabulary_version` is null until the list is sent.
            Q(vocabulary_version=None) | Q(vocabulary_version=version),
            vocabulary=vocabulary,
            # Leave out transcripts of `manage.py evaluate`: it may use other models.
            speech_models__isnull=True,
        )
        if transcript := running.first():
            return transcript, False
        return start(recording, vocabulary), True


def enqueue_once(transcript_pk: int, priority: int = 0) -> bool:
    """Queue a message, unless the queue already has one. Return whether it was queued.

    Duplicates are harmless, but a long queue is slow.
    priority: `Transcript.priority`, or 0 if a person waits for this transcript.
    """
    now = timezone.now()
    silent = Transcript.objects.without_message(now).filter(pk=transcript_pk)
    if not silent.update(announced_at=now):
        return False
    enqueue(transcript_pk, priority)
    return True


def enqueue(transcript_pk: int, priority: int) -> None:
    """Queue a message as soon as the current transaction is committed."""

    def send() -> None:
        try:
            advance.using(priority=priority).enqueue(transcript_pk)
        except Exception:
            Transcript.objects.filter(pk=transcript_pk).update(announced_at=None)
            raise

    # robust=True: if the queue is down, the web request does not fail. `sweep` queues
    # the transcript later. `send` cannot be a partial: Django logs its __qualname__.
    transaction.on_commit(send, robust=True)


def is_due() -> bool:
    now = timezone.now()
    return Transcript.objects.due(now).without_message(now).exists()


def sweep(limit: int = 500, back_fill: bool = True) -> int:
    """Queue transcripts that are due and have no message in the queue, at most `limit`.

    Return how many were queued.
    back_fill: whether to include old recordings (reconcile --all).
    """
    now = timezone.now()
    due = Transcript.objects.due(now).without_message(now)
    if not back_fill:
        due = due.current()
    due = due.order_by("-priority", "next_attempt_at")
    return sum(enqueue_once(*row) for row in due.values_list("pk", "priority")[:limit])


def take_step(transcript: Transcript) -> None:
    """Run one step, and store its outcome or its error in the row.

    Raises LeaseLost, and all database errors except DataError and IntegrityError.
    """
    if transcript.kills > MAX_KILLS:
        doing = ACTIVITIES.get(transcript.status, READING_RESULT)
        logger.error("transcript=%s kills=%s given_up", transcript.uuid, MAX_KILLS)
        transcript.fail(killed_workers_message(doing), kills=MAX_KILLS)
        return
    # If AssemblyAI sent a status that we do not know, ask for the result again.
    step = STEPS.get(transcript.status, refresh)
    try:
        step(transcript)
    except VendorError as error:
        logger.warning(
            "transcript=%s step=%s code=%s permanent=%s",
            transcript.uuid,
            step.__name__,
            error.code,
            error.permanent,
        )
        if error.account:
            transcript.pause(error.message, error.retry_after)
        elif error.permanent:
            transcript.fail(error.message)
        else:
            transcript.retry_later(error)
    except OSError as error:
        # The disk is full, the storage is down or a file is missing.
        logger.exception("transcript=%s step=%s", transcript.uuid, step.__name__)
        transcript.retry_later(error)
    except (DataError, IntegrityError) as error:
        # The database works, but rejects these values: store an error in the row. Do
        # not log the database's message, because it quotes the row.
        logger.error(
            "transcript=%s step=%s error=%s",
            transcript.uuid,
            step.__name__,
            type(error).__name__,
        )
        transcript.retry_later(internal_error(error))
    except (LeaseLost, Error):
        raise
    except Exception as error:
        # A bug of ours, or an unexpected response: store an error in the row and retry.
        logger.exception("transcript=%s step=%s", transcript.uuid, step.__name__)
        transcript.retry_later(internal_error(error))
    else:
        logger.info("transcript=%s step=%s done", transcript.uuid, step.__name__)
