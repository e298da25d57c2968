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

    When a call is deleted, Django sends this signal for its recordings, but does not
    call Recording.delete(). Wait for the commit: a rollback could not restore the file.
    """
    name, storage = instance.audio.name, instance.audio.storage
    if not name:
        return

    def delete_file() -> None:
        storage.delete(name)

    # robust=True: if one file cannot be deleted, Django logs the error and still
    # deletes the other files. For Twilio's recordings, cleanup.py tries again later.
    transaction.on_commit(delete_file, robust=True)
