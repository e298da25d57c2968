"""Place a call: check the rules, save the row, ask Twilio.

The pages, the API and the command `dial` use this module. Only one request at a time
checks the rules. Otherwise, two parallel requests could together exceed a limit.
"""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.utils import timezone

from caller import number_facts
from caller.costs import sums
from caller.models import Call, Contact, DoNotCall, Leg, OperatorPhone
from caller.models.call_queries import ESTIMATE, CallQuerySet
from caller.twilio.errors import TwilioError
from djtranscribe.database import lock_until_commit

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Keep at most this many rows with refused attempts, per operator and hour.
MAX_REFUSED_ROWS = 100


def dial(call: Call, phone: OperatorPhone | None = None) -> Call:
    """Save and place a new call. Return the call to show to the operator.

    - If an earlier call to this number has not ended, only return the earlier call.
    - Otherwise, save, place and return `call`. If a rule or Twilio refuses the call, or
      if Twilio's answer is lost, `call.error` has the reason.

    phone: the operator's verified phone, which Twilio calls first and connects with the
    number. None: no operator is connected.
    """
    with transaction.atomic():
        lock_until_commit("caller.dial")
        mine = Call.objects.unfinished().filter(direction=Call.Direction.OUTBOUND)
        unfinished = mine.filter(other_number=call.other_number).first()
        if unfinished:
            return unfinished
        if reason := reason_to_refuse(call):
            call.status, call.error = Call.Status.REFUSED, reason
            call.next_check_at = None
            save_refused_attempt(call)
        else:
            if phone:
                call.kind = Call.Kind.CONVERSATION
            call.save(force_insert=True)
            if phone:
                Leg.objects.create(call=call, number=phone.number)
    if call.status != Call.Status.REFUSED:
        with suppress(TwilioError):
            call.dial()
    return call


def reason_to_refuse(call: Call) -> str:
    """Return why a rule forbids this call, or "" if no rule forbids it."""
    return next(filter(None, (rule(call) for rule in RULES)), "")


def save_refused_attempt(call: Call) -> None:
    """Store a refused attempt. Limit the rows, so that attempts cannot fill the table.

    Only rows of this operator and of the last hour matter:
    - Attempts with the same number and reason share one row, which counts them.
    - If there are already MAX_REFUSED_ROWS rows, the new row replaces the oldest row.
      The count of the oldest row is added to the count of the new row.
    """
    mine = Call.objects.filter(
        requested_by=call.requested_by,
        status=Call.Status.REFUSED,
        created_at__gt=timezone.now() - HOUR,
    )
    same = mine.filter(other_number=call.other_number, error=call.error).first()
    if same:
        call.pk, call.uuid = same.pk, same.uuid
        call.refused_attempts = (same.refused_attempts or 1) + 1
        call.save(force_update=True)
        return
    surplus = list(mine.order_by("-created_at")[MAX_REFUSED_ROWS - 1 :])
    if surplus:
        counted = sum(row.refused_attempts or 1 for row in surplus)
        call.refused_attempts = counted + 1
        mine.filter(pk__in=[row.pk for row in surplus]).delete()
    call.save(force_insert=True)


def refuse_by_do_not_call(call: Call) -> str:
    if DoNotCall.objects.filter(number=call.other_number).exists():
        return "This number is on the do-not-call list."
    contact = Contact.objects.filter(
        numbers__number=call.other_number, do_not_call=True
    ).first()
    return f"{contact} is marked “do not call” (see the contact)." if contact else ""


def refuse_by_country(call: Call) -> str:
    code = number_facts.country_code(call.other_number)
    if code == number_facts.GLOBAL_SERVICES:
        prefix = number_facts.calling_code(call.other_number)
        return (
            f"Calls to satellite phones and other global services (+{prefix}) are not "
            "allowed here: they belong to no country and can be very expensive."
        )
    allowed = allowed_countries()
    if code in allowed:
        return ""
    names = sorted(number_facts.country_name(each) for each in allowed)
    there = number_facts.country(call.other_number) or code
    return (
        f"Calls to {there} are not allowed here, only to: {', '.join(names)}. An "
        "administrator can change this with DIAL_COUNTRIES."
    )


def refuse_by_number_limit(call: Call) -> str:
    made = Call.objects.made_within(DAY).filter(other_number=call.other_number)
    return limit_reason(made, "for this number", "24 hours", "MAX_CALLS_PER_NUMBER_DAY")


def refuse_by_operator_limit(call: Call) -> str:
    made = Call.objects.made_within(HOUR).filter(requested_by=call.requested_by)
    return limit_reason(
        made, "for one operator", "an hour", "MAX_CALLS_PER_OPERATOR_HOUR"
    )


def refuse_by_site_limit(call: Call) -> str:
    made = Call.objects.made_within(DAY)
    return limit_reason(made, "of this site", "24 hours", "MAX_CALLS_PER_DAY")


def spent_in_last_24_hours() -> Decimal:
    """Return the cost of all calls in the last 24 hours, incoming calls included."""
    return Call.objects.paid_within(DAY).cost(ESTIMATE)


def refuse_by_daily_spend(call: Call) -> str:
    spent = spent_in_last_24_hours()
    if spent + ESTIMATE <= settings.MAX_SPEND_PER_DAY:
        return ""
    return (
        "No more calls can be placed now: the calls of the last 24 hours cost about "
        f"{spent:.2f}, and the limit is {settings.MAX_SPEND_PER_DAY} "
        "(MAX_SPEND_PER_DAY). Wait, or ask an administrator to raise the limit."
    )


def refuse_by_monthly_budget(call: Call) -> str:
    most = settings.MAX_SPEND_PER_MONTH
    if not most or not sums.exceeds_budget(sums.spent_this_month()):
        return ""
    return (
        f"No more calls can be placed this month: the monthly budget of {most} is "
        "spent. An administrator can raise it (MAX_SPEND_PER_MONTH)."
    )


# Each rule returns why it refuses a call, or "" if it allows the call.
RULES = [
    refuse_by_do_not_call,
    refuse_by_country,
    refuse_by_number_limit,
    refuse_by_operator_limit,
    refuse_by_site_limit,
    refuse_by_daily_spend,
    refuse_by_monthly_budget,
]


def limit_reason(made: CallQuerySet, of_what: str, period: str, setting: str) -> str:
    most = getattr(settings, setting)
    if made.count() < most:
        return ""
    return (
        f"The limit {of_what} is reached: {most} call{pluralize(most)} within "
        f"{period} ({setting}). Wait, or ask an administrator to raise the limit."
    )


def allowed_countries() -> set[str]:
    """Return ISO codes: DIAL_COUNTRIES or, if this is empty, our number's country."""
    if settings.DIAL_COUNTRIES:
        return set(settings.DIAL_COUNTRIES)
    return {number_facts.country_code(settings.TWILIO_PHONE_NUMBER)}
