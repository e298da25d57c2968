"""The steps of a transcript: fetch the audio, upload it, submit it, read the result.

Each step takes a claimed transcript and stores the outcome. Then the step releases the
lease, or keeps the lease for the next step (`store_and_continue`). If a step raises an
error, tasks.take_step stores the error and releases the lease. But after LeaseLost, or
if the database does not work, nothing is stored.
"""

from collections.abc import Callable
from datetime import timedelta
from errno import ENOENT
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from caller.recordings import audio
from caller.twilio import client as twilio_client
from caller.twilio.errors import NOT_FOUND, TwilioError
from djtranscribe.models import JOB, READ, SUBMIT, VendorPause
from djtranscribe.recovery import wait_for_assemblyai
from djtranscribe.vendors.errors import VendorError
from transcription.assemblyai import client as assemblyai_client
from transcription.assemblyai import payloads, refusals, speech_models
from transcription.assemblyai.client import AssemblyAIError
from transcription.assemblyai.orphans import find_orphan
from transcription.leases import kills_without_own
from transcription.models import MAX_JOBS, Transcript
from transcription.review.carry_over import carry_over_and_score

Status = Transcript.Status

TWILIO, ASSEMBLYAI = TwilioError.vendor, AssemblyAIError.vendor
guard_request = VendorPause.objects.guard_request

# After this many failures, ask Twilio whether the recording was deleted. Before that, a
# 404 may mean that the audio is not ready yet.
NOT_READY = 3
# Most jobs end within minutes. If a job takes longer than this, the transcript fails
# after some retries.
MAX_JOB_TIME = timedelta(hours=24)
# The longest time that a request to AssemblyAI may take.
REQUEST_SECONDS = sum(assemblyai_client.TIMEOUT_SECONDS)
FORBIDDEN = 403  # AssemblyAI's status for "Cannot access uploaded file"


def fetch(transcript: Transcript) -> None:
    recording = transcript.recording
    if recording.audio_deleted_at:
        transcript.fail("The audio was deleted because its retention period had ended.")
        return
    if not recording.audio and not recording.sid:
        transcript.fail(
            "The audio file is missing from our storage, and Twilio has no copy. "
            "Transcribe the file again with manage.py transcribe."
        )
        return
    if not recording.audio:
        try:
            fetch_audio(transcript)
        except TwilioError as error:
            if error.code != NOT_FOUND or transcript.attempts + 1 < NOT_READY:
                raise
            with guard_request(TWILIO):
                reason = recording.check_missing_audio()
            if not reason:
                raise
            transcript.fail(reason)
            return
    if recording.may_be_encrypted:
        with guard_request(TWILIO):
            is_encrypted = recording.is_encrypted()
        if is_encrypted:
            transcript.fail(recording.ENCRYPTED)
            return
    transcript.store_and_continue(status=Status.FETCHED)


def fetch_audio(transcript: Transcript) -> None:
    # An API key can have the permission to read calls, but not audio. So "audio" is a
    # separate kind of request. Otherwise a successful request for a call would end the
    # pause that began when Twilio refused the audio.
    with guard_request(TWILIO, "audio"):
        transcript.recording.fetch_audio(transcript.keep_lease)


def provide_audio(transcript: Transcript) -> None:
    """Upload the audio to AssemblyAI, or only store Twilio's URL of the audio.

    `submit` sends this URL, and AssemblyAI fetches the audio from there.
    """
    recording = transcript.recording
    if not recording.audio:
        transcript.release(status=Status.PENDING)
        return
    # If audio_url is already set, upload the audio, even with AUDIO_DELIVERY "url". For
    # example, AssemblyAI could not open Twilio's URL, or an upload has expired.
    if settings.AUDIO_DELIVERY == "url" and recording.sid and not transcript.audio_url:
        url = twilio_client.media_url(recording.sid)
        transcript.store_and_continue(
            status=Status.UPLOADED, audio_url=url, uploaded_at=None
        )
        return
    try:
        file = recording.audio.open("rb")
    except FileNotFoundError:
        refetch_audio(transcript)
        return
    with file, guard_request(ASSEMBLYAI):
        url = assemblyai_client.upload(audio.UploadStream(file, transcript.keep_lease))
    transcript.store_and_continue(
        status=Status.UPLOADED, audio_url=url, uploaded_at=timezone.now()
    )


def refetch_audio(transcript: Transcript) -> None:
    """Fetch the audio from Twilio again, because its file is not in our storage.

    Raises FileNotFoundError if the storage seems not to be mounted, or if Twilio has no
    copy.
    """
    missing = FileNotFoundError(ENOENT, "The file is missing from our storage")
    if not transcript.recording.sid or audio.is_folder_missing(
        transcript.recording.audio
    ):
        raise missing
    try:
        fetch_audio(transcript)
    except TwilioError as error:
        if error.code != NOT_FOUND:
            raise
        raise missing from error
    transcript.store_and_continue(status=Status.FETCHED)


def submit(transcript: Transcript) -> None:
    if not transcript.is_upload_fresh:
        transcript.release(status=Status.FETCHED)
        return
    if refusals.should_wait_for_others(transcript):
        transcript.pause(transcript.error)
        return
    body = payloads.request_body(transcript)
    refused_at = refusals.refused_at(transcript, body)
    # Store this before the request. If this worker dies, the next worker searches for
    # the job, so that we do not pay for a second one.
    transcript.store_or_raise(
        status=Status.SUBMITTING,
        submitted_at=timezone.now(),
        leased_until=transcript.lease_end(),
        request=payloads.without_secret(body),
        vocabulary_version=transcript.vocabulary and transcript.vocabulary.version,
        refused_at=refused_at,
    )
    try:
        # With a negative balance, AssemblyAI refuses only requests that cost money. So
        # results are still read during a pause of the kind SUBMIT.
        with guard_request(ASSEMBLYAI, SUBMIT):
            job = create_job(transcript, body)
    except VendorError as error:
        # Do not release the lease here: `take_step` does that after we raise the error.
        if error.maybe_done:
            transcript.store_or_raise(status=Status.LOST)
            # AssemblyAI may still be creating the job. Wait before the search for the
            # job, so that we do not pay for a second one.
            error.retry_after = REQUEST_SECONDS
            raise
        refused_at = getattr(error, "refused_at", None) or refused_at
        transcript.store_or_raise(
            status=Status.UPLOADED, submitted_at=None, refused_at=refused_at
        )
        if not error.account and error.code == FORBIDDEN and transcript.jobs < MAX_JOBS:
            # The audio was uploaded with an older API key: upload it again. Count this
            # as a job, so that MAX_JOBS limits the uploads.
            transcript.retry_later(
                VendorError(error.message),
                status=Status.FETCHED,
                audio_url="",
                uploaded_at=None,
                jobs=F("jobs") + 1,
            )
            return
        raise
    store_job(transcript, job, wait_for_assemblyai())


def create_job(transcript: Transcript, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return assemblyai_client.submit(body)
    except AssemblyAIError as error:
        raise refusals.request_refusal(error, transcript, body) from error


def wait_for_request_timeout(transcript: Transcript) -> None:
    """Wait until the request of a dead worker can no longer arrive at AssemblyAI."""
    longest = timedelta(seconds=REQUEST_SECONDS)
    # Perhaps this transcript killed the dead worker, so keep that worker's 1 in `kills`
    # (by default, `release` sets `kills` to 0).
    kills = kills_without_own(transcript)
    transcript.release(wait=longest, status=Status.LOST, kills=kills)


def adopt_or_submit(transcript: Transcript) -> None:
    """After a lost response, find the job that AssemblyAI may have, or submit again."""
    with guard_request(ASSEMBLYAI, READ):
        orphan = find_orphan(transcript)
    if orphan:
        store_job(transcript, orphan, wait=timedelta())
    else:
        submit(transcript)


def store_job(transcript: Transcript, job: dict[str, Any], wait: timedelta) -> None:
    """Store the id of a job. A later step reads the result."""
    transcript.release(
        wait=wait,
        status=Status.QUEUED,
        assemblyai_id=job["id"],
        jobs=F("jobs") + 1,
    )


def refresh(transcript: Transcript) -> None:
    """Ask AssemblyAI for the job and store its result if it is finished."""
    try:
        with guard_request(ASSEMBLYAI, READ) as pause:
            job = assemblyai_client.fetch(transcript.assemblyai_id or "")
    except AssemblyAIError as error:
        # Only UNKNOWN_ID means that the job does not exist. Any other 404 perhaps comes
        # from a wrong API URL, so do not start (and pay for) a new job.
        if assemblyai_client.UNKNOWN_ID not in error.message:
            raise
        # The stored response makes `Transcript.retry` start a new job.
        transcript.fail(error.message, response={"error": error.message})
        return
    status = str(job.get("status") or "")
    if status == Status.ERROR:
        handle_failed_job(transcript, job)
    elif job.get("audio_url") == payloads.DELETED:
        transcript.fail(
            "The transcript was deleted at AssemblyAI before we read it.",
            response=job,
        )
    elif status == Status.COMPLETED:
        if pause:
            pause.end_with_result(transcript.submitted_at)
        columns = payloads.result_columns(job, transcript.request)
        cost = speech_models.cost(columns["model_used"], columns["audio_seconds"])
        if transcript.siblings().exists():
            # Store both results or none. If this worker dies in between, the next
            # worker repeats both.
            with transaction.atomic():
                transcript.finish(cost=cost, **columns)
                carry_over_and_score(transcript)
        else:
            transcript.finish(cost=cost, **columns)
    else:
        # We store AssemblyAI's status, even an unknown one. But after one of our own,
        # such as "pending", the next step would not be `refresh`. So store QUEUED.
        if not status or STEPS.get(status, refresh) is not refresh:
            status = Status.QUEUED
        submitted_at = transcript.submitted_at or transcript.created_at
        if timezone.now() < submitted_at + MAX_JOB_TIME:
            transcript.release(wait=wait_for_assemblyai(), status=status[:20])
        else:
            late = VendorError("AssemblyAI has not finished the job within a day.")
            transcript.retry_later(late, status=status[:20])


def handle_failed_job(transcript: Transcript, job: dict[str, Any]) -> None:
    """Finish, retry or fail the transcript of a failed job, depending on the reason.

    AssemblyAI does not charge for failed jobs.
    """
    reason = str(job.get("error") or "AssemblyAI gave no reason.")
    again = reason.startswith(payloads.UNREACHABLE_AUDIO + payloads.SERVER_ERROR)
    if payloads.NO_SPEECH in reason:
        transcript.finish(**payloads.no_speech_columns(job))
    elif again and transcript.jobs < MAX_JOBS:
        error = VendorError(f"AssemblyAI: {reason}")
        transcript.retry_later(error, status=Status.FETCHED, **Transcript.NO_JOB)
    elif refused := refusals.job_refusal(transcript, reason):
        resubmit_or_fail(transcript, job, refused)
    else:
        transcript.fail(f"AssemblyAI: {reason}", response=job)


def resubmit_or_fail(
    transcript: Transcript, job: dict[str, Any], refused: AssemblyAIError
) -> None:
    """Handle a job that failed, probably because of our settings."""
    columns: dict[str, Any] = {
        **Transcript.NO_JOB,
        "status": Status.FETCHED,
        "refused_at": refused.refused_at or transcript.refused_at,
    }
    body = payloads.request_body(transcript)
    if refusals.settings_fields(transcript.request) != refusals.settings_fields(body):
        # The settings have been changed since the request, so submit again at once.
        transcript.release(**{**columns, "refused_at": None})
    elif refused.account:
        VendorPause.objects.start(refused, JOB)
        # Do not count this job: a long pause must not use up MAX_JOBS.
        columns["jobs"] = max(transcript.jobs - 1, 0)
        transcript.pause(refused.message, **columns)
    elif transcript.jobs < MAX_JOBS:
        transcript.retry_later(refused, **columns)
    else:
        transcript.fail(refused.message, response=job)


STEPS: dict[str, Callable[[Transcript], None]] = {
    Status.PENDING: fetch,
    Status.FETCHED: provide_audio,
    Status.UPLOADED: submit,
    Status.SUBMITTING: wait_for_request_timeout,
    Status.LOST: adopt_or_submit,
    Status.QUEUED: refresh,
    Status.PROCESSING: refresh,
}

SUBMITTING = "asking AssemblyAI for a transcript"
READING_RESULT = "reading the result from AssemblyAI"
# {status: what the worker does}, for `leases.killed_workers_message`. For a status that
# is not listed, use READING_RESULT.
ACTIVITIES: dict[str, str] = {
    Status.PENDING: "fetching the audio",
    Status.FETCHED: "handing the audio to AssemblyAI",
    Status.UPLOADED: SUBMITTING,
    Status.SUBMITTING: SUBMITTING,
    Status.LOST: SUBMITTING,
}
