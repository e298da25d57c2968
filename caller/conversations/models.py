"""The operator's own phone: its verified number, and its status in a conversation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from caller import number_facts
from caller.models.call import Call
from caller.models.phone_status import PhoneStatus

CODE_DIGITS = 6
# An operator has MAX_TRIES tries to type the code. The code expires CODE_LIFETIME
# after the creation of the call that says it.
MAX_TRIES = 5
CODE_LIFETIME = timedelta(minutes=10)


class Leg(PhoneStatus):
    """The operator's phone in a conversation. The Call row is for the other phone.

    For Twilio, a conversation is two calls. <Dial> in the parent call makes the child
    call. In an outgoing conversation, the operator's phone is the parent. In an
    incoming conversation, it is the child.
    """

    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="leg")
    number = models.CharField("operator's phone", max_length=16)
    # When the operator pressed a key to call the other party. Null in incoming calls.
    accepted_at = models.DateTimeField(null=True, blank=True)
    # Whether the operator hung up first. Null: unknown.
    hung_up_first = models.BooleanField(null=True, editable=False)

    class Meta:
        verbose_name = "operator's phone"

    def __str__(self) -> str:
        return f"Operator's phone in the {self.call.description}"


class OperatorPhone(models.Model):
    """The phone on which an operator takes conversations.

    It must be verified first: a call to the phone says a code, and the operator types
    this code.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="phone"
    )
    number = models.CharField(max_length=16)
    verified_at = models.DateTimeField(null=True, blank=True)
    # The call that says the code.
    code_call = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["user"]

    def __str__(self) -> str:
        return number_facts.format_international(self.number)

    @classmethod
    def verified_phone_of(cls, user: Any) -> OperatorPhone | None:
        """Return the verified phone of an account, or None. One query."""
        return cls.verified().filter(user=user).first()

    @classmethod
    def verified(cls) -> models.QuerySet[OperatorPhone]:
        return cls.objects.exclude(verified_at=None)

    @property
    def is_waiting_for_code(self) -> bool:
        call = self.code_call
        return (
            self.verified_at is None
            and call is not None
            and self.tries < MAX_TRIES
            and timezone.now() < call.created_at + CODE_LIFETIME
        )

    def verify(self, typed: str) -> bool:
        """Count a try. If the typed code is right, mark the phone as verified.

        Return whether the phone was marked. After MAX_TRIES tries or CODE_LIFETIME, no
        code is accepted.
        """
        rows = OperatorPhone.objects.filter(pk=self.pk, code_call=self.code_call_id)
        # Count before the comparison, so that parallel requests get no extra tries.
        counted = rows.filter(tries__lt=MAX_TRIES).update(tries=F("tries") + 1)
        if not (counted and self.is_waiting_for_code and self.code_call):
            return False
        digits = "".join(letter for letter in typed if letter.isdigit())
        if not constant_time_compare(digits, code_of(self.code_call)):
            return False
        return bool(rows.update(verified_at=timezone.now()))


def code_of(call: Call) -> str:
    """Return the code that this call says. The code is computed, never stored."""
    digest = salted_hmac("caller.phone-code", str(call.uuid)).hexdigest()
    return f"{int(digest, 16) % 10**CODE_DIGITS:0{CODE_DIGITS}}"
