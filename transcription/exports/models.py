from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone

# After this time without progress, the page says that the download has stopped. The
# slowest file, a PDF with both texts of a three-hour call, takes 40 s.
INTERRUPTED_AFTER = timedelta(minutes=2)
# Save the progress at most once in this time, because a ZIP of short texts can get
# thousands of files per second.
SAVE_INTERVAL = timedelta(seconds=1)

Row = TypeVar("Row")


class Export(models.Model):
    """A bulk export: who downloaded how many transcripts, and its progress."""

    # Identifies the page that started the download (see ExportForm.export). It is not
    # unique, because a page can start several downloads.
    uuid = models.UUIDField(default=uuid4, db_index=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    kind = models.CharField("file", max_length=100)
    total = models.PositiveIntegerField("transcripts")
    sent = models.PositiveIntegerField(default=0)
    begun_at = models.DateTimeField("started", default=timezone.now, db_index=True)
    moved_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True)

    class Meta:
        ordering = ["-begun_at"]

    def __str__(self) -> str:
        return f"{self.kind} with {self.total} transcripts"

    @property
    def is_interrupted(self) -> bool:
        late = timezone.now() > self.moved_at + INTERRUPTED_AFTER
        return late and self.finished_at is None

    def track_progress(self, batches: Iterable[list[Row]]) -> Iterator[list[Row]]:
        """Yield the batches and save how many of their rows have been sent."""
        mine = Export.objects.filter(pk=self.pk)
        for batch in batches:
            yield batch
            # Django asks for the next batch only after it has sent this one.
            self.sent += len(batch)
            now = timezone.now()
            if now - self.moved_at >= SAVE_INTERVAL:
                self.moved_at = now
                mine.update(sent=self.sent, moved_at=now)
        now = timezone.now()
        mine.update(sent=self.sent, moved_at=now, finished_at=now)
