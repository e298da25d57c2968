"""Notification rows for tests, in any state."""

from typing import Any
from uuid import uuid4

from django.utils import timezone

from transcription.models import Notification


def a_notification(**columns: Any) -> Notification:
    return Notification.objects.create(
        **{
            "about": uuid4(),
            "kind": "webhook",
            "event": "transcript.completed",
            "finished_at": timezone.now(),
            "facts": {"status": "completed"},
            **columns,
        }
    )
