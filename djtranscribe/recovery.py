"""How long to wait for a webhook or a message that may be lost.

If all webhooks of a transcript are lost, we wait for Twilio, for the next sweep, for
AssemblyAI, and for the next sweep again. Together, this is less than RECOVER_SECONDS.
"""

from datetime import timedelta

from django.conf import settings


def wait_for_twilio() -> timedelta:
    """Return how long to wait for a call's webhook before we ask Twilio."""
    return timedelta(seconds=settings.RECOVER_SECONDS / 3)


def wait_for_assemblyai() -> timedelta:
    """Return how long to wait for a job's webhook before we ask AssemblyAI."""
    return timedelta(seconds=settings.RECOVER_SECONDS / 4)


def wait_for_message() -> timedelta:
    """Return after how long a message in the queue counts as lost."""
    return timedelta(seconds=settings.RECOVER_SECONDS / 3)


def sweep_interval() -> timedelta:
    """Return how often the worker looks for overdue work."""
    return timedelta(seconds=settings.RECOVER_SECONDS / 9)
