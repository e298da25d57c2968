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
# After a call's end its recording takes a moment, its price some minutes.
EXPECT_MORE_FOR = timedelta(minutes=10)
# How far Twilio's clock and ours may differ: one set by hand is off by an hour.
CLOCK_OFF = timedelta(minutes=90)
# Between two looks at Twilio's list: as long as our request may be on its way.
LOOK_AGAIN_AFTER = timedelta(seconds=sum(TIMEOUT_SECONDS))
# What people remember of a number.
LAST_DIGITS = 4


def next_check_time() -> datetime:
    """When Twilio is asked if it has not told us by then (tasks.check_call).

    A third of RECOVER_SECONDS: this wait, the sweep's, and the wait for the transcript
    follow each other.
    """
    return timezone.now() + timedelta(seconds=settings.RECOVER_SECONDS / 3)


class CallQuerySet(models.QuerySet["Call"]):
    def unfinished(self) -> CallQuerySet:
        return self.exclude(status__in=Call.FINISHED)

    def to_number(self, typed: str) -> CallQuerySet:
        """Whose number begins or ends with these digits, as people write them.

        +1 (415) 555-1234, 0044 20 7946 0123, (020) 7946 0123, its last four digits.
        Digits out of its middle are no question that an index can answer.
        """
        digits = re.sub(r"[^0-9]", "", typed)
        if not digits:
            return self.none()
        begins = [f"+{digits}"]
        if digits.startswith("00"):
            begins = [f"+{digits[2:]}"]
        national = digits.lstrip("0")
        if not typed.lstrip().startswith("+"):
            # Without its country it may be one of ours.
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
        """Asked for this recently, and not refused by a rule of ours."""
        recent = self.filter(created_at__gt=timezone.now() - time)
        return recent.exclude(status=Call.Status.REFUSED)

    def cost(self, estimate: Decimal) -> Decimal:
        """Of these calls; each whose price is not known yet counts as `estimate`."""
        # Twilio's prices are negative: they leave the account.
        known = self.aggregate(known=Sum(Abs("price")))["known"] or Decimal()
        may_cost = self.filter(price=None).exclude(status__in=Call.FREE)
        return Decimal(known) + estimate * may_cost.count()

    def due(self, now: datetime) -> CallQuerySet:
        """About which Twilio should be asked by now."""
        # No check is that far away: it is a leftover of a clock that was put back.
        leftover = Q(next_check_at__gt=now + LONGEST_WAIT)
        return self.filter(Q(next_check_at__lte=now) | leftover)

    def claim_due(self, limit: int = 200) -> list[int]:
        """Calls to ask Twilio about now, each given to one asker only.

        One that nobody comes to ask about is due again `soon`.
        """
        due = self.due(timezone.now())
        return [
            pk
            for pk in due.order_by("next_check_at").values_list("pk", flat=True)[:limit]
            if due.filter(pk=pk).update(next_check_at=next_check_time())
        ]


class Call(models.Model):
    """One call that an operator asked for. The row exists before Twilio hears of it."""

    class Status(models.TextChoices):
        # Ours: Twilio was asked and has not answered; its answer was lost.
        DIALING = "dialing", "Dialing"
        UNKNOWN = "unknown", "Unknown"
        # Ours: a rule forbade it (dialling.refusal); Twilio was never asked.
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
    # Never connected: Twilio bills nothing.
    FREE = (Status.BUSY, Status.NO_ANSWER, Status.CANCELED, Status.FAILED)
    # State moves only forward along this line, whatever arrives late or twice. A word
    # that is not here was invented by Twilio after us: above ringing, never final.
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
    # We took it for failed, and said why; how it really ended, only Twilio can tell.
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
    # Kept to be filtered by: +1 alone is twenty-five countries.
    country_code = models.CharField(
        "country", max_length=3, blank=True, default="", editable=False
    )
    # By name, since `caller` imports nothing of `transcription`.
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
    # How many attempts of an operator within an hour this row stands for; null: one.
    refused_attempts = models.PositiveIntegerField(
        null=True, blank=True, editable=False
    )
    # Evidence of consent: what was really played, not what the setting says today.
    notice = models.TextField("notice played", blank=True)
    sequence_number = models.PositiveIntegerField(null=True, blank=True)
    next_check_at = models.DateTimeField(
        default=next_check_time, null=True, blank=True, db_index=True
    )
    # When Twilio's list should have had it, and did not.
    missed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = CallQuerySet.as_manager()

    # Unknown lengths last where the longest come first, in both databases.
    LENGTH = Coalesce("duration_seconds", -1)

    class Meta:
        ordering = ["-created_at"]
        # For admin's list: each of its orders and filters, the newest first.
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
            # Two clicks in two processes cannot make one phone ring twice. The
            # words are spelled out: a constraint must not change with the code.
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
        """`0.0085 USD`, or nothing while Twilio has not said it."""
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
        """Ask Twilio to place this call, and keep what is known of the outcome.

        Raises TwilioError, after storing it: with `maybe_done` the phone may be
        ringing, and a webhook or a look at Twilio's list of calls will tell.
        """
        try:
            placed = twilio_client.place_call(self.to, self.uuid)
        except TwilioError as error:
            self.status = Call.Status.FAILED
            if error.maybe_done:
                self.status = Call.Status.UNKNOWN
            # A webhook may have told us more while we waited for the answer.
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
        """Take over what Twilio says of this call, never going back in state."""
        # A webhook's transaction is open already and fails as a whole.
        with transaction.atomic(savepoint=False):
            self.refresh_from_db(from_queryset=Call.objects.select_for_update())
            if self.sid and self.sid != news.sid:
                # Ours is the call that answered first; a second one is not this row.
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
        """They are told this, now: kept as evidence that they knew."""
        if not self.notice:
            self.notice = notice
            self.save(update_fields=["notice"])

    def mark_deleted_at_twilio(self) -> None:
        """Twilio had it and has it no more: somebody deleted it there."""
        unfinished = Call.objects.unfinished().filter(pk=self.pk)
        unfinished.update(
            status=Call.Status.FAILED,
            error="Twilio no longer has this call; how it ended is not known.",
        )
        Call.objects.filter(pk=self.pk).update(next_check_at=None)

    def mark_not_listed(self) -> None:
        """Twilio's list does not have it. The second time, whatever became of our
        request, nothing rang: our first look may have come of a clock that jumped
        while the request was on its way."""
        now = timezone.now()
        mine = Call.objects.filter(pk=self.pk, sid=None)
        looked_before = Q(missed_at__lte=now - LOOK_AGAIN_AFTER) | Q(missed_at__gt=now)
        # No clock jumps that far.
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
        """How far it has come along RANK."""
        if self.status == Call.Status.FAILED and self.error:
            return self.RANK_OF_OUR_GUESS
        return self.rank(self.status)

    @classmethod
    def rank(cls, status: str) -> int:
        return int(cls.RANK.get(status, cls.RANK_OF_NEW_WORDS))

    def next_check(self) -> datetime | None:
        """When Twilio should be asked, if it has not told us by then."""
        if self.reached < self.rank(Call.Status.COMPLETED):
            return next_check_time()
        if self.status != Call.Status.COMPLETED:
            return None
        if not self.recordings.finished().exists():
            return next_check_time()
        return timezone.now() + CHECK_PRICE_AFTER if self.price is None else None

    @property
    def is_long_over(self) -> bool:
        """Whether what Twilio has not by now of this call will not come."""
        ended_at = self.ended_at
        if not ended_at or ended_at < self.created_at:
            # By Twilio's clock, which is behind ours.
            longest = settings.RECORDING_MAX_SECONDS + NOTICE_SECONDS
            ended_at = self.created_at + timedelta(seconds=longest)
        return timezone.now() > ended_at + EXPECT_MORE_FOR

    def stop_checking(self) -> None:
        """Twilio has nothing more of this call, and will have nothing more."""
        recordings = self.recordings.unfinished()
        recordings.update(status=recordings.model.Status.DELETED)
        Call.objects.filter(pk=self.pk).update(next_check_at=None)
