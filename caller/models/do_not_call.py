from django.db import models

from caller.contacts.models import ListedNumber


class DoNotCall(ListedNumber):
    """A number that must not be called. Calls from it can be refused, too."""

    reason = models.CharField(max_length=200, blank=True)
    blocks_incoming = models.BooleanField(
        "refuse calls from this number",
        default=False,
        help_text="Callers hear that this number does not accept their call. Then the "
        "call ends. It is not recorded.",
    )
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "do-not-call number"
        verbose_name_plural = "do-not-call list"
        ordering = ["-added_at"]
