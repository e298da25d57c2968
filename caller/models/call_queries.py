"""Queries for calls: their numbers, times, costs and next checks."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import Count, Exists, Max, OuterRef, Q, Sum
from django.db.models.functions import Abs, Right
from django.utils import timezone

from caller import phone_numbers
from caller.contacts.models import contact_name_subquery, number_begins
from djtranscribe.recovery import wait_for_twilio
from djtranscribe.statements import Parameter, Statement

if TYPE_CHECKING:
    from caller.models.call import Call

# The price that we assume for each phone of a call (a conversation has two phones)
# until Twilio sets the real price. It is in the currency of the Twilio account.
ESTIMATE = Decimal("0.10")
# No check of a call is planned further ahead than this.
MAX_WAIT = timedelta(minutes=20)
# The index `call_by_last_digits` has this many last digits of each number. A search by
# a number's end needs at least this many digits.
LAST_DIGITS = 4


def next_check_time() -> datetime:
    """Return when to check a call, if no webhook arrives earlier."""
    return timezone.now() + wait_for_twilio()


@cache
def lock_statement(model: type[Call]) -> Statement[Call]:
    """Return the SELECT of `get_locked`, compiled once: most Twilio webhooks run it."""
    uuid = Parameter("uuid", model._meta.get_field("uuid"))
    calls = model.objects.with_has_recording().select_for_update()
    return Statement(calls.order_by().filter(uuid=uuid))


class CallQuerySet(models.QuerySet["Call"]):
    def get_locked(self, uuid: UUID) -> Call:
        """Lock a call until the transaction ends, and return it with `has_recording`.

        Raises DoesNotExist.
        """
        call = lock_statement(self.model).first(uuid=uuid)
        if call is None:
            raise self.model.DoesNotExist
        return call

    def unfinished(self) -> CallQuerySet:
        return self.exclude(status__in=self.model.FINISHED)

    def to_number(self, typed: str) -> CallQuerySet:
        """Return the calls whose number begins or ends with the typed digits.

        Examples: +1 (415) 555-1234, 0044 20 7946 0123, (020) 7946 0123, or the last
        four digits. Digits from the middle are not found: an index cannot find them.
        """
        if not phone_numbers.is_number(typed):
            return self.none()
        wanted = number_begins("other_number", typed)
        digits = phone_numbers.without_separators(typed)
        for end in {digits, digits.lstrip("0")}:
            if len(end) >= LAST_DIGITS:
                wanted |= Q(last_digits=end[-LAST_DIGITS:], other_number__endswith=end)
        return self.alias(last_digits=Right("other_number", LAST_DIGITS)).filter(wanted)

    def with_has_recording(self) -> CallQuerySet:
        """Add `has_recording`: whether a recording is finished.

        This saves a query in next_check.next_check.
        """
        recording: Any = self.model._meta.get_field("recordings").related_model
        finished = recording.objects.finished().filter(call=OuterRef("pk"))
        return self.annotate(has_recording=Exists(finished))

    def with_contact_name(self) -> CallQuerySet:
        """Add `contact_name`, the name of the contact who has the number."""
        return self.annotate(contact_name=contact_name_subquery("other_number"))

    def made_within(self, time: timedelta) -> CallQuerySet:
        """Return the outgoing calls at most `time` old. Leave out refused calls."""
        return self.paid_within(time).filter(direction=self.model.Direction.OUTBOUND)

    def paid_within(self, time: timedelta) -> CallQuerySet:
        """Return calls in both directions, at most `time` old, except refused calls."""
        recent = self.filter(created_at__gt=timezone.now() - time)
        return recent.exclude(status=self.model.Status.REFUSED)

    def cost(self, estimate: Decimal) -> Decimal:
        """Return the sum of the prices of these calls and of their legs.

        A missing price counts as `estimate`, but as 0 if the status is in FREE.
        """
        free = self.model.FREE
        unpriced = Q(price=None) & ~Q(status__in=free)
        # For Twilio, a conversation is two calls, each with a price. The leg is the
        # operator's phone.
        conversation = Q(kind=self.model.Kind.CONVERSATION)
        unpriced_leg = conversation & Q(leg__price=None) & ~Q(leg__status__in=free)
        sums = self.aggregate(
            # Twilio's prices are negative.
            calls=Sum(Abs("price"), default=Decimal()),
            legs=Sum(Abs("leg__price"), default=Decimal()),
            unpriced=Count("pk", filter=unpriced),
            unpriced_legs=Count("pk", filter=unpriced_leg),
        )
        unknown = Decimal(sums["unpriced"] + sums["unpriced_legs"])
        return Decimal(sums["calls"] + sums["legs"]) + estimate * unknown

    def currency(self) -> str:
        """Return the currency of Twilio's prices. All costs are in this currency."""
        priced = self.exclude(price=None).order_by("-pk").values("price_unit")[:1]
        return priced.aggregate(unit=Max("price_unit"))["unit"] or "USD"

    def due(self, now: datetime) -> CallQuerySet:
        """Return the calls that are due for a check."""
        # If a check is more than MAX_WAIT ahead, our clock was wrong when the check was
        # planned. Do such a check now.
        too_far = Q(next_check_at__gt=now + MAX_WAIT)
        return self.filter(Q(next_check_at__lte=now) | too_far)

    def claim_check(self, pk: int) -> Call | None:
        """Claim a due call for a check and return it. Return None if it is not due.

        Only one process can claim a call. If this process is killed before the check,
        the call is due again at `next_check_time()`.
        """
        due = self.due(timezone.now()).filter(pk=pk)
        if not due.update(next_check_at=next_check_time()):
            return None
        return self.filter(pk=pk).first()
