"""Run deletions in the background, a slice at a time."""

from django_tasks import task

from transcription.models import Deletion
from transcription.retention import expiry, person

SLICES = {
    Deletion.Reason.RETENTION: expiry.work,
    Deletion.Reason.PERSON: person.work,
}


def work(pk: int) -> bool:
    """Do a slice. Return whether there is more to do at once."""
    deletion = Deletion.objects.claim(pk)
    if deletion is None:
        return False
    return SLICES[Deletion.Reason(deletion.reason)](deletion)


@task()
def delete(pk: int) -> None:
    """Go on with a deletion. The worker queues a lost message again after an hour."""
    if work(pk):
        delete.enqueue(pk)


def sweep() -> None:
    """Queue what is unfinished, and once a day what is too old."""
    expiry.begin_daily()
    for pk in Deletion.objects.unfinished().values_list("pk", flat=True):
        delete.enqueue(pk)
