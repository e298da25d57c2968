from typing import Any

from django.db import migrations
from django.utils import timezone


def remember_deleted_transcripts(apps: Any, schema_editor: Any) -> None:
    """Set transcript_deleted_at of recordings whose transcripts were deleted.

    We fetch audio only for a transcript. So if fetched audio has none, it was deleted.
    """
    recordings = apps.get_model("caller", "Recording").objects
    recordings.filter(transcripts=None).exclude(fetched_at=None).update(
        transcript_deleted_at=timezone.now()
    )


class Migration(migrations.Migration):
    dependencies = [
        ("caller", "0009_tombstone"),
        ("transcription", "0009_count_killed_workers"),
    ]

    operations = [
        migrations.RunPython(
            remember_deleted_transcripts, migrations.RunPython.noop, elidable=True
        ),
    ]
