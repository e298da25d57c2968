"""Place a call: check the rules, save the row, ask Twilio.

Used by the page, the API and the command. A lock admits one call at a time, so that
parallel requests cannot exceed the limits.
"""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from caller import phone_numbers
from caller.costs import sums
from caller.models import Call, Contact, DoNotCall, Leg, OperatorPhone
from caller.models.call_queries import ESTIMATE, CallQuerySet
from caller.twilio.errors import TwilioError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Maximum number of rows with refused attempts, per operator and hour.
MAX_REFUSED_ROWS = 100


def dial(call: Call, phone: OperatorPhone | None = None) -> Call:
    """Place an unsaved call, and return the call to show to the operator.

    If an earlier call to this number has not ended, return it and place nothing.
    Otherwise save and return this call. If a rule or Twilio refuses it, `error` has the
    reason.

    phone: the operator's verified phone, to connect it with the number. None: do not
    connect anybody.
    """
    with transaction.atomic():
        admit_one_at_a_time()
        mine = Call.objects.unfinished().filter(direction=Call.Direction.OUTBOUND)
        unfinished = mine.filter(other_number=call.other_number).first()
        if unfinished:
            return unfinished
        if reason := refusal(call):
            call.status, call.error = Call.Status.REFUSED, reason
            call.next_check_at = None
            keep_refusal(call)
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


def admit_one_at_a_time() -> None:
    """Take a lock until the transaction ends.

    SQLite needs no extra lock, because its transactions are IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('caller.dial'))")


def refusal(call: Call) -> str:
    """Return why a rule forbids this call, or "" if it is allowed."""
    return next(filter(None, (rule(call) for rule in RULES)), "")


def keep_refusal(call: Call) -> None:
    """Store a refused attempt. Limit the rows, so that attempts cannot fill the table.

    If the same attempt was refused within the last hour, count it on that row. If the
    operator then has more than MAX_REFUSED_ROWS rows of the last hour, delete the
    oldest ones and add their counts to the new row.
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


def do_not_call(call: Call) -> str:
    if DoNotCall.objects.filter(number=call.other_number).exists():
        return "This number is on the do-not-call list."
    contact = Contact.objects.filter(
        numbers__number=call.other_number, do_not_call=True
    ).first()
    return f"{contact} asked not to be called." if contact else ""


def country(call: Call) -> str:
    code = phone_numbers.country_code(call.other_number)
    if code == phone_numbers.GLOBAL_SERVICES:
        prefix = phone_numbers.calling_code(call.other_number)
        return (
            f"Calls to satellite phones and other global services (+{prefix}) are not "
            "allowed here: they belong to no country and can be very expensive."
        )
    allowed = allowed_countries()
    if code in allowed:
        return ""
    names = sorted(phone_numbers.country_name(each) for each in allowed)
    there = phone_numbers.country(call.other_number) or code
    return (
        f"Calls to {there} are not allowed here, only to: {', '.join(names)}. The "
        "setting DIAL_COUNTRIES says so."
    )


def calls_to_the_number(call: Call) -> str:
    made = Call.objects.made_within(DAY).filter(other_number=call.other_number)
    most = settings.MAX_CALLS_PER_NUMBER_DAY
    return limit(made, most, "to this number within 24 hours")


def calls_by_the_operator(call: Call) -> str:
    made = Call.objects.made_within(HOUR).filter(requested_by=call.requested_by)
    most = settings.MAX_CALLS_PER_OPERATOR_HOUR
    return limit(made, most, "by one operator within an hour")


def calls_of_the_site(call: Call) -> str:
    made = Call.objects.made_within(DAY)
    return limit(made, settings.MAX_CALLS_PER_DAY, "within 24 hours")


def spent_today() -> Decimal:
    """Return the cost of all calls of the last 24 hours, incoming calls included."""
    return Call.objects.paid_within(DAY).cost(ESTIMATE)


def money(call: Call) -> str:
    spent = spent_today()
    if spent + ESTIMATE <= settings.MAX_SPEND_PER_DAY:
        return ""
    return (
        f"The calls of the last 24 hours cost about {spent:.2f}; MAX_SPEND_PER_DAY is "
        f"{settings.MAX_SPEND_PER_DAY}."
    )


def budget(call: Call) -> str:
    most = settings.MAX_SPEND_PER_MONTH
    if not most or not sums.exceeds_budget(sums.spent_this_month()):
        return ""
    return (
        "The budget of this month is spent. An administrator can raise "
        f"MAX_SPEND_PER_MONTH, which is {most}."
    )


RULES = [
    do_not_call,
    country,
    calls_to_the_number,
    calls_by_the_operator,
    calls_of_the_site,
    money,
    budget,
]


def limit(made: CallQuerySet, most: int, of_what: str) -> str:
    if made.count() < most:
        return ""
    return f"The limit of {most} calls {of_what} is reached."


def allowed_countries() -> set[str]:
    """Return the ISO codes of the allowed countries. Default: our number's country."""
    if settings.DIAL_COUNTRIES:
        return set(settings.DIAL_COUNTRIES)
    return {phone_numbers.country_code(settings.TWILIO_PHONE_NUMBER)}
