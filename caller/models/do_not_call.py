from django.db import models

from caller.contacts.models import ListedNumber


class DoNotCall(ListedNumber):
    """A number that must not be called. Calls from it can be refused, too."""

    reason = models.CharField(max_length=200, blank=True)
    blocks_incoming = models.BooleanField(
        "do not accept calls",
        default=False,
        help_text="Calls from this number hear a sentence and are ended.",
    )
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "number not to call"
        verbose_name_plural = "do-not-call list"
        ordering = ["-added_at"]
