"""Run deletions in the background. Each task deletes one slice.

A slice of a person's data is one phone call. A slice of expired data has at most
expiry.SLICE_SIZE rows.
"""

import logging

from django_tasks import task

from transcription.models import Deletion, LeaseLost
from transcription.retention import expiry, person

logger = logging.getLogger(__name__)

SLICES = {
    Deletion.Reason.RETENTION: expiry.delete_slice,
    Deletion.Reason.PERSON: person.erase_slice,
}


def run_slice(pk: int) -> bool:
    """Delete the next slice. Return whether another slice can follow at once."""
    deletion = Deletion.objects.claim(pk)
    if deletion is None:
        return False
    try:
        return SLICES[Deletion.Reason(deletion.reason)](deletion)
    except LeaseLost:
        logger.warning("deletion=%s lease=lost", pk)
        return False


@task()
def delete(pk: int) -> None:
    """Delete the next slice. Queue this task again if another slice can follow at once.

    If the queue loses this task, `sweep` queues the task again within an hour.
    """
    if run_slice(pk):
        delete.enqueue(pk)


def sweep() -> None:
    """Queue unfinished deletions. Once a day, begin to delete expired data."""
    expiry.start_daily_deletion()
    for pk in Deletion.objects.unfinished().values_list("pk", flat=True):
        delete.enqueue(pk)
