"""Transcript rows in any status, and AssemblyAI's addresses and responses."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from caller.models import Recording
from djtranscribe.models import VendorPause
from tests.caller.rows import RECORDING_SID
from tests.data import load, wav
from transcription.models import Transcript
from transcription.tasks import advance

API = "https://api.assemblyai.com/v2"
UPLOAD = f"{API}/upload"
TRANSCRIPT = f"{API}/transcript"
JOB_ID = "00000000-0000-4000-8000-0000000000aa"
JOB = f"{TRANSCRIPT}/{JOB_ID}"
AUDIO_URL = load("assemblyai/upload")["upload_url"]
TEXT = "Please call the cardiology ward."


def a_transcript(status: str = "pending", **columns: Any) -> Transcript:
    """Create a transcript in this status, with audio (except for `pending`)."""
    recording = columns.pop("recording", None) or Recording.objects.create(
        sid=RECORDING_SID, status="completed", source="RecordVerb"
    )
    if status != "pending" and not recording.audio:
        recording.store_audio([wav(channels=recording.channels or 1)])
    if status not in ("pending", "fetched"):
        columns = {"audio_url": AUDIO_URL, "uploaded_at": timezone.now(), **columns}
    if status in ("submitting", "lost"):
        columns = {"submitted_at": timezone.now(), **columns}
    if status in ("queued", "processing", "completed"):
        columns = {"assemblyai_id": JOB_ID, "jobs": 1, **columns}
    return Transcript.objects.create(recording=recording, status=status, **columns)


def advanced(transcript: Transcript) -> Transcript:
    """Let a worker do one step, and return the reloaded row."""
    advance.call(transcript.pk)
    transcript.refresh_from_db()
    return transcript


def make_due(transcript: Transcript) -> None:
    """Make this row due now, and allow one request to each paused vendor."""
    moment = timezone.now() - timedelta(seconds=1)
    VendorPause.objects.update(probe_at=moment)
    Transcript.objects.filter(pk=transcript.pk).update(next_attempt_at=moment)


def seconds_until_next_attempt(transcript: Transcript) -> float:
    assert transcript.next_attempt_at
    return (transcript.next_attempt_at - timezone.now()).total_seconds()


def nudge(client: Client, transcript: Transcript, body: Any = None) -> Any:
    """Send AssemblyAI's webhook about this transcript, with any body."""
    return client.post(
        f"/webhooks/assemblyai/{transcript.uuid}/",
        load("assemblyai/webhook") if body is None else body,
        content_type="application/json",
        headers={"X-Djtranscribe-Token": transcript.webhook_token()},
    )


def answers_well(vendors: Any) -> dict[str, Any]:
    """Let AssemblyAI answer all requests with success.

    Return the mocked responses. Their `calls` are the requests that they got.
    """
    return {
        "upload": vendors.post(UPLOAD, json=load("assemblyai/upload")),
        "list": vendors.get(TRANSCRIPT, json=load("assemblyai/list")),
        "submit": vendors.post(TRANSCRIPT, json=load("assemblyai/queued")),
        "fetch": vendors.get(JOB, json=load("assemblyai/completed")),
    }
