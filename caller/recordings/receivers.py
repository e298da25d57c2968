from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, pre_delete
from django.dispatch import receiver

from caller.models import Call, Recording, Tombstone


@receiver(pre_delete, sender=Call)
def lock_first(instance: Call, **kwargs: Any) -> None:
    """Lock the call before its recordings, as webhooks do, to avoid a deadlock."""
    locked = Call.objects.select_for_update().filter(pk=instance.pk)
    locked.order_by().values_list("pk").first()


@receiver(post_delete, sender=Call)
@receiver(post_delete, sender=Recording)
def keep_tombstone(instance: Call | Recording, **kwargs: Any) -> None:
    """Store the SID of a deleted row, in the transaction that deletes the row."""
    if instance.sid:
        Tombstone.objects.get_or_create(sid=instance.sid)


@receiver(post_delete, sender=Recording)
def delete_audio(instance: Recording, **kwargs: Any) -> None:
    """Delete the audio file of a deleted recording.

    This is a signal receiver, because deleting a call deletes its recordings without
    calling Recording.delete(). The file is deleted after the commit, because a rollback
    could not restore the file.
    """
    name, storage = instance.audio.name, instance.audio.storage
    if not name:
        return

    def delete_file() -> None:
        storage.delete(name)

    # robust=True: if the storage cannot delete this file, Django logs the error and
    # still deletes the other files. `cleanup.delete_recordings` tries again later if
    # the recording has a SID.
    transaction.on_commit(delete_file, robust=True)
