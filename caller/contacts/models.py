from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from caller import number_facts, phone_numbers
from djtranscribe.retention import RetentionPeriods

# `some_numbers` returns at most this many numbers, because many contacts may match.
MAX_NUMBERS = 500
MAX_NAME_LENGTH = 120


class ListedNumber(models.Model):
    """Abstract base of models that list phone numbers. No number is listed twice."""

    number = models.CharField(
        max_length=20,
        unique=True,
        validators=[phone_numbers.validate_number],
        help_text="With country code, such as +14155551234.",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return number_facts.format_international(self.number)

    def save(self, *args: Any, **kwargs: Any) -> None:
        # Use the format of Call.other_number, so that the two columns can be compared.
        self.number = phone_numbers.normalise_number(self.number)
        super().save(*args, **kwargs)


class ContactQuerySet(models.QuerySet["Contact"]):
    def find_by_number(self, number: str) -> Contact | None:
        """Return the contact with this number (E.164), or None. One query."""
        found = self.filter(numbers__number=number).select_related("vocabulary")
        return found.first()

    def names_by_number(self, numbers: Iterable[str]) -> dict[str, str]:
        """Return `{number: name}` for numbers that belong to a contact. One query."""
        known = ContactNumber.objects.filter(number__in=set(numbers))
        return dict(known.values_list("number", "contact__name"))

    def some_numbers(self) -> list[str]:
        """Return at most MAX_NUMBERS phone numbers of these contacts."""
        numbers = ContactNumber.objects.filter(contact__in=self.order_by())
        return list(numbers.values_list("number", flat=True)[:MAX_NUMBERS])


class Contact(RetentionPeriods):
    """A person or a company, with a name and phone numbers."""

    name = models.CharField(max_length=MAX_NAME_LENGTH)
    do_not_call = models.BooleanField(
        "do not call",
        default=False,
        help_text="If ticked, this site does not call any number of this contact.",
    )
    # The model is given as a string: `caller` must not import `transcription`.
    vocabulary = models.ForeignKey(
        "transcription.Vocabulary",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name="keyword list",
        help_text="Used for calls with this contact if no other list is chosen.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["name", "id"], name="contact_by_name")]

    def __str__(self) -> str:
        return self.name


class ContactNumber(ListedNumber):
    """A number of a contact. A number belongs to one contact only."""

    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="numbers"
    )
    label = models.CharField(
        max_length=40, blank=True, help_text="Such as mobile or office."
    )

    class Meta:
        verbose_name = "number"
        ordering = ["pk"]


def number_begins(path: str, typed: str) -> Q:
    """Return the condition that a number begins with the typed digits.

    path: lookup path to this number. typed: see `phone_numbers.possible_beginnings`.
    """
    wanted = Q()
    for beginning in phone_numbers.possible_beginnings(typed):
        wanted |= Q((f"{path}__startswith", beginning))
    return wanted


def contact_name_subquery(path: str) -> Subquery:
    """Return `contact_subquery` for the contact's name."""
    return contact_subquery("name", path)


def contact_subquery(column: str, path: str) -> Subquery:
    """Return a subquery for a column of the contact who has the number at `path`.

    path: lookup path from the outer row to the number, such as `other_number`.
    """
    numbers = ContactNumber.objects.filter(number=OuterRef(path))
    return Subquery(numbers.values(f"contact__{column}")[:1])
