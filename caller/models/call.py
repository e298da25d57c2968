from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Abs, Coalesce, Right
from django.urls import reverse
from django.utils import timezone

from caller import phone_numbers
from caller.twilio import client as twilio_client
from caller.twilio.client import NOTICE_SECONDS, CallState
from caller.twilio.connection import TIMEOUT_SECONDS
from caller.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

CHECK_PRICE_AFTER = timedelta(minutes=2)
LONGEST_WAIT = timedelta(minutes=20)
# When to ask for the price: Twilio sets it some minutes after the call.
EXPECT_MORE_FOR = timedelta(minutes=10)
# Tolerance between Twilio's clock and ours, which may be off by an hour.
CLOCK_OFF = timedelta(minutes=90)
# Wait before looking at Twilio's list again: our request may still be on its way.
LOOK_AGAIN_AFTER = timedelta(seconds=sum(TIMEOUT_SECONDS))
# How many last digits people search by.
LAST_DIGITS = 4


def next_check_time() -> datetime:
    """Return when to ask Twilio, if no webhook arrives (tasks.check_call).

    A third of RECOVER_SECONDS, because the waits for the call, the sweep and the
    transcript add up.
    """
    return timezone.now() + timedelta(seconds=settings.RECOVER_SECONDS / 3)


class CallQuerySet(models.QuerySet["Call"]):
    def unfinished(self) -> CallQuerySet:
        return self.exclude(status__in=Call.FINISHED)

    def to_number(self, typed: str) -> CallQuerySet:
        """Calls whose number begins or ends with these digits, in any format.

        +1 (415) 555-1234, 0044 20 7946 0123, (020) 7946 0123, its last four digits.
        Digits from the middle are not found: no index could serve that.
        """
        digits = re.sub(r"[^0-9]", "", typed)
        if not digits:
            return self.none()
        begins = [f"+{digits}"]
        if digits.startswith("00"):
            begins = [f"+{digits[2:]}"]
        national = digits.lstrip("0")
        if "+" not in typed:
            # A national number: try our own country.
            own = phone_numbers.calling_code(settings.TWILIO_PHONE_NUMBER)
            begins.append(f"+{own}{national}")
        wanted = Q()
        for start in begins:
            wanted |= Q(to__startswith=start)
        for end in {digits, national}:
            if len(end) >= LAST_DIGITS:
                wanted |= Q(last_digits=end[-LAST_DIGITS:], to__endswith=end)
        return self.alias(last_digits=Right("to", LAST_DIGITS)).filter(wanted)

    def made_within(self, time: timedelta) -> CallQuerySet:
        """Calls of this last period that were not refused by our rules."""
        recent = self.filter(created_at__gt=timezone.now() - time)
        return recent.exclude(status=Call.Status.REFUSED)

    def cost(self, estimate: Decimal) -> Decimal:
        """Sum of the prices. A call without a price counts as `estimate`."""
        # Twilio's prices are negative.
        known = self.aggregate(known=Sum(Abs("price")))["known"] or Decimal()
        may_cost = self.filter(price=None).exclude(status__in=Call.FREE)
        return Decimal(known) + estimate * may_cost.count()

    def due(self, now: datetime) -> CallQuerySet:
        """Calls whose check is due."""
        # A check too far in the future was set before a clock was put back.
        leftover = Q(next_check_at__gt=now + LONGEST_WAIT)
        return self.filter(Q(next_check_at__lte=now) | leftover)

    def claim_due(self, limit: int = 200) -> list[int]:
        """Claim the calls that are due for a check. Each is claimed once.

        If the check does not happen, the call is due again after next_check_time.
        """
        due = self.due(timezone.now())
        return [
            pk
            for pk in due.order_by("next_check_at").values_list("pk", flat=True)[:limit]
            if due.filter(pk=pk).update(next_check_at=next_check_time())
        ]


class Call(models.Model):
    """A call that an operator requested. The row exists before Twilio is asked."""

    class Status(models.TextChoices):
        # Ours: Twilio was asked and its answer is missing or lost.
        DIALING = "dialing", "Dialing"
        UNKNOWN = "unknown", "Unknown"
        # Ours: a rule forbids the call (dialling.refusal). Twilio was not asked.
        REFUSED = "refused", "Refused"
        # Twilio's, letter for letter
        QUEUED = "queued", "Queued at Twilio"
        INITIATED = "initiated", "Dialing"
        RINGING = "ringing", "Ringing"
        IN_PROGRESS = "in-progress", "In progress"
        COMPLETED = "completed", "Completed"
        BUSY = "busy", "Busy"
        NO_ANSWER = "no-answer", "No answer"
        CANCELED = "canceled", "Canceled"
        FAILED = "failed", "Failed"

    FINISHED = (
        Status.COMPLETED,
        Status.BUSY,
        Status.NO_ANSWER,
        Status.CANCELED,
        Status.FAILED,
        Status.REFUSED,
    )
    # Not connected: Twilio charges nothing.
    FREE = (Status.BUSY, Status.NO_ANSWER, Status.CANCELED, Status.FAILED)
    # The status only moves up in this order, whatever arrives late or twice. An unknown
    # status ranks above ringing and is not final.
    RANK: dict[str, int] = {
        Status.DIALING: 0,
        Status.UNKNOWN: 0,
        Status.QUEUED: 1,
        Status.INITIATED: 2,
        Status.RINGING: 3,
        Status.IN_PROGRESS: 5,
        **dict.fromkeys(FINISHED, 7),
    }
    RANK_OF_NEW_WORDS = 4
    # Our own guess: a later status from Twilio overrides it.
    RANK_OF_OUR_GUESS = 6

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    sid = models.CharField("SID", max_length=34, unique=True, null=True, blank=True)
    to = models.CharField("number called", max_length=16, db_index=True)
    from_number = models.CharField("number shown to them", max_length=16)
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.DIALING
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="calls",
        db_index=False,  # the first column of one below
    )
    # Stored for the filter, because +1 alone is 25 countries.
    country_code = models.CharField(
        "country", max_length=3, blank=True, default="", editable=False
    )
    # A string, because `caller` does not import `transcription`.
    vocabulary = models.ForeignKey(
        "transcription.Vocabulary",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name="keyword list",
        help_text="Words that AssemblyAI should expect.",
    )
    created_at = models.DateTimeField(
        "asked for", default=timezone.now, editable=False, db_index=True
    )
    queued_at = models.DateTimeField("queued at Twilio", null=True, blank=True)
    ringing_at = models.DateTimeField("rang", null=True, blank=True)
    answered_at = models.DateTimeField("answered", null=True, blank=True)
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    duration_seconds = models.PositiveIntegerField(
        "duration (seconds)", null=True, blank=True
    )
    price = models.DecimalField(max_digits=10, decimal_places=5, null=True, blank=True)
    price_unit = models.CharField(max_length=3, blank=True)
    error = models.TextField(blank=True)
    # Attempts within an hour that this row counts. null means one.
    refused_attempts = models.PositiveIntegerField(
        null=True, blank=True, editable=False
    )
    # Evidence of consent: the notice that was played.
    notice = models.TextField("notice played", blank=True)
    sequence_number = models.PositiveIntegerField(null=True, blank=True)
    next_check_at = models.DateTimeField(
        default=next_check_time, null=True, blank=True, db_index=True
    )
    # When Twilio's list did not contain the call for the first time.
    missed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = CallQuerySet.as_manager()

    # Order by this: calls without a length come last.
    LENGTH = Coalesce("duration_seconds", -1)

    class Meta:
        ordering = ["-created_at"]
        # For the orders and filters of admin's list, newest first.
        indexes = [
            models.Index(Right("to", LAST_DIGITS), name="call_by_last_digits"),
            models.Index(Coalesce("duration_seconds", -1), "id", name="call_by_length"),
            *(
                models.Index(fields=[column, "created_at"], name=name)
                for column, name in {
                    "status": "call_by_status",
                    "country_code": "call_by_country",
                    "requested_by": "call_by_operator",
                    "vocabulary": "call_by_vocabulary",
                }.items()
            ),
        ]
        constraints = [
            # Prevents two calls to one number at a time. The statuses are literals,
            # because a constraint must not change with the code.
            models.UniqueConstraint(
                fields=["to"],
                condition=~Q(
                    status__in=[
                        "completed",
                        "busy",
                        "no-answer",
                        "canceled",
                        "failed",
                        "refused",
                    ]
                ),
                name="one_unfinished_call_per_number",
                violation_error_message="This number is being called already.",
            )
        ]

    def __str__(self) -> str:
        return f"Call to {self.number}"

    @property
    def number(self) -> str:
        return phone_numbers.for_people(self.to)

    @property
    def country(self) -> str:
        return phone_numbers.country(self.to)

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def cost(self) -> str:
        """Return `0.0085 USD`, or "" while the price is unknown."""
        if self.price is None:
            return ""
        return f"{abs(self.price).normalize():f} {self.price_unit}".strip()

    def get_absolute_url(self) -> str:
        return reverse("caller:call-page", args=[self.uuid])

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.country_code = phone_numbers.country_code(self.to)
        super().save(*args, **kwargs)

    def dial(self) -> None:
        """Ask Twilio to place this call and store the outcome.

        Raises TwilioError after storing it. With `maybe_done` the phone may be ringing:
        a webhook or Twilio's list of calls will tell.
        """
        try:
            placed = twilio_client.place_call(self.to, self.uuid)
        except TwilioError as error:
            self.status = Call.Status.FAILED
            if error.maybe_done:
                self.status = Call.Status.UNKNOWN
            # A webhook may have updated the row meanwhile.
            still_dialing = Call.objects.filter(
                pk=self.pk, status=Call.Status.DIALING, sid=None
            )
            still_dialing.update(
                status=self.status,
                error=error.message,
                next_check_at=next_check_time() if error.maybe_done else None,
            )
            logger.warning(
                "call=%s dial=%s code=%s", self.uuid, self.status, error.code
            )
            raise
        Call.objects.get(pk=self.pk).apply(placed)
        logger.info("call=%s dial=placed", self.uuid)

    def apply(self, news: CallState, sequence_number: int | None = None) -> None:
        """Store what Twilio reports about this call. The status never moves back."""
        # No savepoint: the transaction of a webhook fails as a whole.
        with transaction.atomic(savepoint=False):
            self.refresh_from_db(from_queryset=Call.objects.select_for_update())
            if self.sid and self.sid != news.sid:
                # Another call with our UUID: only the first one belongs to this row.
                logger.error("call=%s other_sid=%s", self.uuid, news.sid)
                return
            self.sid = news.sid
            if news.status and self.rank(news.status) > self.reached:
                self.status = news.status
                self.error = ""
            self.queued_at = self.queued_at or news.created_at
            self.ringing_at = self.ringing_at or news.ringing_at
            self.answered_at = self.answered_at or news.answered_at
            self.ended_at = self.ended_at or news.ended_at
            self.duration_seconds = self.duration_seconds or news.duration_seconds
            if news.price is not None:
                self.price, self.price_unit = news.price, news.price_unit
            if sequence_number is not None:
                self.sequence_number = max(self.sequence_number or 0, sequence_number)
            self.next_check_at = self.next_check()
            self.save()

    def record_notice(self, notice: str) -> None:
        """Store the notice that is played now, as evidence of consent."""
        if not self.notice:
            self.notice = notice
            self.save(update_fields=["notice"])

    def mark_deleted_at_twilio(self) -> None:
        """Mark a call that was deleted at Twilio."""
        unfinished = Call.objects.unfinished().filter(pk=self.pk)
        unfinished.update(
            status=Call.Status.FAILED,
            error="Twilio no longer has this call; how it ended is not known.",
        )
        Call.objects.filter(pk=self.pk).update(next_check_at=None)

    def mark_not_listed(self) -> None:
        """Note that Twilio's list does not contain the call. The second time it fails.

        One look is not enough: a clock may have jumped meanwhile.
        """
        now = timezone.now()
        mine = Call.objects.filter(pk=self.pk, sid=None)
        looked_before = Q(missed_at__lte=now - LOOK_AGAIN_AFTER) | Q(missed_at__gt=now)
        # Clocks do not jump that far.
        is_old = Q(created_at__lt=now - CLOCK_OFF)
        given_up = mine.filter(looked_before | is_old).update(
            status=Call.Status.FAILED,
            error="Twilio's list of calls does not have this call: nothing was "
            "dialled. It is safe to dial again.",
            next_check_at=None,
        )
        if not given_up:
            mine.filter(missed_at=None).update(
                missed_at=now, next_check_at=next_check_time()
            )

    @property
    def reached(self) -> int:
        """The rank of its status."""
        if self.status == Call.Status.FAILED and self.error:
            return self.RANK_OF_OUR_GUESS
        return self.rank(self.status)

    @classmethod
    def rank(cls, status: str) -> int:
        return int(cls.RANK.get(status, cls.RANK_OF_NEW_WORDS))

    def next_check(self) -> datetime | None:
        """Return when to ask Twilio next, or None if nothing is missing."""
        if self.reached < self.rank(Call.Status.COMPLETED):
            return next_check_time()
        if self.status != Call.Status.COMPLETED:
            return None
        if not self.recordings.finished().exists():
            return next_check_time()
        return timezone.now() + CHECK_PRICE_AFTER if self.price is None else None

    @property
    def is_long_over(self) -> bool:
        """Whether Twilio will not send anything more about this call."""
        ended_at = self.ended_at
        if not ended_at or ended_at < self.created_at:
            # Twilio's clock is behind ours.
            longest = settings.RECORDING_MAX_SECONDS + NOTICE_SECONDS
            ended_at = self.created_at + timedelta(seconds=longest)
        return timezone.now() > ended_at + EXPECT_MORE_FOR

    def stop_checking(self) -> None:
        """Stop asking Twilio about this call: nothing more will come."""
        recordings = self.recordings.unfinished()
        recordings.update(status=recordings.model.Status.DELETED)
        Call.objects.filter(pk=self.pk).update(next_check_at=None)
