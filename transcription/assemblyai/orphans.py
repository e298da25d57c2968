"""Find an orphan: a job at AssemblyAI whose ID we do not know.

AssemblyAI's response with the ID was lost, or the worker died before it stored the ID.
"""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from transcription.assemblyai import client as assemblyai_client
from transcription.leases import CLOCK_SKEW
from transcription.models import Transcript

# AssemblyAI's clock and our clock may differ this much, because the time zone of our
# machine may be wrong.
MAX_CLOCK_ERROR = timedelta(days=1)


def find_orphan(transcript: Transcript) -> dict[str, Any] | None:
    """Return the orphan that belongs to this transcript, or None.

    Raises AssemblyAIError and LeaseLost.
    """
    submitted_at = transcript.submitted_at or timezone.now()
    pages = assemblyai_client.job_pages(
        submitted_at - MAX_CLOCK_ERROR, assemblyai_client.LIST_PAGES
    )
    # AssemblyAI lists the newest jobs first. If a page has a job that we submitted
    # before this transcript, stop: the pages after it have only older jobs.
    earlier = Transcript.objects.filter(submitted_at__lt=submitted_at - CLOCK_SKEW)
    for page in pages:
        transcript.keep_lease()
        for job in page:
            if is_orphan_of(transcript, job):
                return job
        ids = [job.get("id") for job in page]
        if earlier.filter(assemblyai_id__in=ids).exists():
            return None
    return None


def is_orphan_of(transcript: Transcript, job: dict[str, Any]) -> bool:
    if job.get("audio_url") != transcript.audio_url:
        return False
    if Transcript.objects.filter(assemblyai_id=job["id"]).exists():
        return False
    # The URL of an upload is unique. A URL at Twilio is shared by all transcripts of
    # the recording, so compare the webhook, too.
    return bool(transcript.uploaded_at) or was_asked_for_by(transcript, job)


def was_asked_for_by(transcript: Transcript, job: dict[str, Any]) -> bool:
    """Return whether the webhook of this job is for this transcript.

    Also return True if the job has no webhook. The job can be for this transcript,
    because we request no webhook if BASE_URL is not set.
    """
    webhook = assemblyai_client.fetch(job["id"]).get("webhook_url")
    return not webhook or str(transcript.uuid) in str(webhook)
