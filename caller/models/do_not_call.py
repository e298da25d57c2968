from typing import Any

from django.db import models

from caller import phone_numbers


class DoNotCall(models.Model):
    """Who asked not to be called."""

    number = models.CharField(
        max_length=20,
        unique=True,
        validators=[phone_numbers.validate_number],
        help_text="With country code, such as +14155551234.",
    )
    reason = models.CharField(max_length=200, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "number not to call"
        verbose_name_plural = "do-not-call list"
        ordering = ["-added_at"]

    def __str__(self) -> str:
        return phone_numbers.for_people(self.number)

    def save(self, *args: Any, **kwargs: Any) -> None:
        # As calls are stored, so that the two can be compared.
        self.number = phone_numbers.clean_number(self.number)
        super().save(*args, **kwargs)
