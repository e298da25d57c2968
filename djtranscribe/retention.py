"""How long to keep audio and texts: from settings, contacts and keyword lists."""

from datetime import datetime, timedelta
from typing import Any, Literal

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce

MAX_DAYS = 36_500
FOR_EVER = 0

What = Literal["audio", "text"]


def days_field(what: What) -> Any:
    return models.PositiveIntegerField(
        f"keep the {what} (days)",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_DAYS)],
        help_text="After this many days it is deleted, at the vendors and here. "
        f"0: keep forever. Empty: use RETAIN_{what.upper()}_DAYS.",
    )


class RetentionPeriods(models.Model):
    """Base class of contacts and keyword lists, which may have their own periods.

    These periods override RETAIN_AUDIO_DAYS and RETAIN_TEXT_DAYS.
    """

    retain_audio_days = days_field("audio")
    retain_text_days = days_field("text")

    class Meta:
        abstract = True


def column(what: What) -> str:
    return f"retain_{what}_days"


def default_days(what: What) -> int:
    days: int = getattr(settings, column(what).upper())
    return min(days, MAX_DAYS)


def filter_expired(
    rows: QuerySet[Any], what: What, since: str, now: datetime, *periods: Any
) -> QuerySet[Any]:
    """Return the rows that have been kept for their whole period.

    since: lookup path of the time when a row's period begins.
    periods: expressions for the length of the period in days. The first that is not
    null is used. The default is RETAIN_AUDIO_DAYS or RETAIN_TEXT_DAYS. With 0 days
    (FOR_EVER), a row never expires.
    """
    known = {default_days(what)}
    for model in RetentionPeriods.__subclasses__():
        values: Any = model._default_manager.order_by().values_list(column(what))
        known |= {days for (days,) in values.distinct()}
    lengths = {timedelta(days=days) for days in known - {None, FOR_EVER}}
    if not lengths:
        return rows.none()
    # Not every database can subtract `keep_days` from a time. So make one condition for
    # each period in use, such as keep_days = 30 AND since < (now - 30 days).
    over = Q()
    for length in lengths:
        over |= Q(**{"keep_days": length.days, f"{since}__lt": now - length})
    # With this additional condition, the database can use the index of `since`.
    rows = rows.filter(**{f"{since}__lt": now - min(lengths)})
    days = Coalesce(*periods, Value(default_days(what)))
    found: QuerySet[Any] = rows.alias(keep_days=days).filter(over)
    return found
