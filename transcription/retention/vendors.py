"""Helpers of expiry.py and person.py: delete AssemblyAI's jobs, and handle errors."""

from django.utils import timezone
from django.utils.formats import date_format

from djtranscribe.vendors.errors import VendorError
from transcription.assemblyai import client as assemblyai_client
from transcription.models import Deletion, Transcript
from transcription.retention.models import LOST_JOBS

# After this many errors in a row (see `count_failures`), stop sending requests to this
# vendor. retention.tasks.sweep continues within an hour.
MAX_FAILURES = 3


def delete_job(transcript: Transcript) -> int:
    """Delete the transcript's job at AssemblyAI. Return 1, or 0 if it has no job.

    Raises AssemblyAIError.
    """
    if not transcript.assemblyai_id:
        return 0
    assemblyai_client.delete(transcript.assemblyai_id)
    return 1


def record_lost_job(transcript: Transcript, deletion: Deletion) -> None:
    """Record the day of the request if the response with the job's ID was lost.

    Without the ID, we cannot delete the job at AssemblyAI.
    """
    if transcript.submitted_at and not transcript.assemblyai_id:
        day = date_format(timezone.localdate(transcript.submitted_at))
        deletion.position.setdefault(LOST_JOBS, []).append(day)


def count_failures(before: int, error: VendorError | OSError) -> int:
    """Return the number of errors in a row, including this error.

    before: the number without this error.
    - If the cause is our account, such as a wrong API key, return MAX_FAILURES: the
      next requests would fail, too.
    - If the cause is one row or file, return 0: other rows may succeed. This includes
      every OSError, because often only one file cannot be deleted.
    """
    if isinstance(error, OSError) or (error.permanent and not error.account):
        return 0
    return MAX_FAILURES if error.account else before + 1


def explain(error: VendorError | OSError) -> str:
    """Return the reason to show to operators, see `Deletion.problem`."""
    if isinstance(error, VendorError):
        return error.message
    return f"The storage could not delete a file: {error.strerror or 'unknown reason'}."
