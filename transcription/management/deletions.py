"""Shared code of the commands that delete data permanently."""

from contextlib import suppress

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from caller import phone_numbers
from transcription.models import Deletion, LeaseLost
from transcription.retention import tasks

STOPPED = "Stopped by hand: not everything was deleted."


def run(command: BaseCommand, deletion: Deletion) -> None:
    """Run a deletion to its end and print its progress.

    Raises CommandError if not everything was deleted.
    """
    try:
        while tasks.run_slice(deletion.pk):
            deletion.refresh_from_db()
            command.stdout.write(deletion.report)
    except KeyboardInterrupt:
        # Mark the deletion as finished. Otherwise a worker would continue what somebody
        # has stopped.
        deletion.refresh_from_db()
        deletion.problem = STOPPED
        # LeaseLost: a worker has changed the row since `refresh_from_db`. Leave the
        # deletion to that worker.
        with suppress(LeaseLost):
            deletion.finish()
        raise CommandError(
            f"{STOPPED} Deleted: {deletion.report or 'nothing'}."
        ) from None
    deletion.refresh_from_db()
    if deletion.finished_at is None:
        reason = deletion.problem or "A worker is working on it."
        raise CommandError(
            f"{reason} The worker continues within an hour. You can also run this "
            "command again."
        )
    command.stdout.write(f"Deleted: {deletion.report or 'nothing'}.")
    if deletion.problem:
        raise CommandError(f"Not everything could be deleted. {deletion.problem}")


def numbers_in(typed: list[str]) -> list[str]:
    """Return the numbers in the form +14155551234. Raises CommandError."""
    try:
        return [phone_numbers.normalise_number(number) for number in typed]
    except ValidationError as error:
        raise CommandError(error.messages[0]) from error
