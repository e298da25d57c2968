from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

MAX_NOTE_LENGTH = 5000


class Note(models.Model):
    """A note that somebody wrote about a call."""

    call = models.ForeignKey(
        "caller.Call", on_delete=models.CASCADE, related_name="notes"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = models.TextField(max_length=MAX_NOTE_LENGTH)
    # The words of the note, encoded by transcription/search/notes.py. Each word has
    # spaces around it.
    search_text = models.TextField(editable=False, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["created_at"], name="note_by_time")]

    def __str__(self) -> str:
        return f"Note on a call of {self.created_at:%Y-%m-%d}"


class TagQuerySet(models.QuerySet["Tag"]):
    def get_or_create_by_name(self, typed: str) -> Tag:
        """Return the tag with this name. Create the tag if needed.

        Raises ValidationError, with a message for the operator, if the name is invalid.
        """
        tag = Tag(name=tag_name(typed))
        tag.full_clean(validate_unique=False)
        return self.get_or_create(name=tag.name)[0]


class Tag(models.Model):
    """A label for calls, such as billing."""

    name = models.CharField(
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(
                r"^[\w][\w\- ]*$",
                "A tag has only letters, digits, spaces, hyphens and underscores.",
            )
        ],
    )

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.name = tag_name(self.name)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name = tag_name(self.name)
        super().save(*args, **kwargs)


def tag_name(typed: str) -> str:
    """Return the stored form of a tag: lower case, no `#` in front, no extra spaces.

    Raises ValidationError if nothing is left.
    """
    name = " ".join(typed.casefold().removeprefix("#").split())
    if not name:
        raise ValidationError("Type a tag, such as billing.")
    return name
