from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Right
from django.urls import reverse
from django.utils import timezone

from caller import number_facts
from caller.models.call_queries import LAST_DIGITS, CallQuerySet, next_check_time
from caller.models.changes import save_changes, snapshot
from caller.models.next_check import next_check
from caller.models.phone_status import PhoneStatus
from caller.twilio import client as twilio_client
from caller.twilio.errors import TwilioError
from caller.twilio.states import CallState

logger = logging.getLogger(__name__)

# {status of the operator's phone: why the other party was not called}. For any other
# final status, such as `completed`, use NO_KEY_PRESSED.
NOT_DIALLED = {
    "busy": "The operator's phone was busy, so nobody was called.",
    "no-answer": "The operator's phone was not answered, so nobody was called.",
    "failed": "The operator's phone could not be reached, so nobody was called. Check "
    "its number: Profile, Your phone.",
    "canceled": "The call to the operator's phone was canceled, so nobody was called.",
}
NO_KEY_PRESSED = "No key was pressed on the operator's phone, so nobody was called."


class Call(PhoneStatus):
    """A call to or from `other_number`, the number of the other party.

    The status and the times belong to the other party's phone. In a conversation,
    the operator's phone has its own row: Leg, in caller/conversations/models.py. In an
    outgoing conversation, the status comes from the Leg until Twilio calls the other
    party, see `follow_leg`.
    The row of an outgoing call is saved before we ask Twilio to place the call.
    """

    class Direction(models.TextChoices):
        OUTBOUND = "outbound", "Outgoing"
        INBOUND = "inbound", "Incoming"

    class Kind(models.TextChoices):
        MESSAGE = "message", "Message: one person speaks to the recorder"
        CONVERSATION = "conversation", "Conversation with an operator"
        CODE = "code", "Code that verifies an operator's phone"

    # When to ask Twilio about this call: a webhook may be lost, and no webhook reports
    # the price. Null: do not ask.
    next_check_at = models.DateTimeField(
        default=next_check_time, null=True, blank=True, db_index=True
    )
    # When we first saw that Twilio's list of calls does not contain the call.
    missed_at = models.DateTimeField(null=True, blank=True, editable=False)
    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    sid = models.CharField("SID", max_length=34, unique=True, null=True, blank=True)
    direction = models.CharField(
        max_length=10, choices=Direction.choices, default=Direction.OUTBOUND
    )
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.MESSAGE)
    # The other party's number, as E.164. "" if the number of an incoming call is
    # withheld or invalid.
    other_number = models.CharField("number", max_length=16, db_index=True)
    our_number = models.CharField("our number", max_length=16)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="calls",
        db_index=False,  # the index call_by_operator begins with this column
    )
    # The filter by country in admin uses this column. The calling code in the number is
    # not enough, because 25 countries share +1.
    country_code = models.CharField(
        "country", max_length=3, blank=True, default="", editable=False
    )
    # The model is given as a string: `caller` must not import `transcription`.
    vocabulary = models.ForeignKey(
        "transcription.Vocabulary",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name="keyword list",
        help_text="Terms that AssemblyAI should expect.",
    )
    created_at = models.DateTimeField(
        "requested", default=timezone.now, editable=False, db_index=True
    )
    queued_at = models.DateTimeField("queued at Twilio", null=True, blank=True)
    tags = models.ManyToManyField("caller.Tag", blank=True, related_name="calls")
    # How many refused attempts this row counts, see dialling.save_refused_attempt. Null
    # means 1.
    refused_attempts = models.PositiveIntegerField(
        null=True, blank=True, editable=False
    )
    # Evidence of consent: the notice that was played.
    notice = models.TextField("notice played", blank=True)
    # Twilio's word for who answered: human, machine_start, fax... Empty: not reported.
    answered_by = models.CharField(max_length=20, blank=True, editable=False)

    objects = CallQuerySet.as_manager()

    # Sort and filter by this expression: the index `call_by_length` contains it. A call
    # without a length counts as the shortest.
    LENGTH = Coalesce("duration_seconds", -1)

    class Meta:
        ordering = ["-created_at"]
        permissions = [("view_costs", "Can see what calls cost")]
        # The list in admin uses these indexes to search, filter and sort.
        indexes = [
            models.Index(
                Right("other_number", LAST_DIGITS), name="call_by_last_digits"
            ),
            models.Index(Coalesce("duration_seconds", -1), "id", name="call_by_length"),
            *(
                models.Index(fields=[column, "created_at"], name=name)
                for column, name in {
                    "status": "call_by_status",
                    "country_code": "call_by_country",
                    "requested_by": "call_by_operator",
                    "vocabulary": "call_by_vocabulary",
                    "direction": "call_by_direction",
                }.items()
            ),
        ]
        constraints = [
            # Allow only one unfinished outgoing call per number. Keep the list equal to
            # FINISHED. A change of the list needs a migration.
            models.UniqueConstraint(
                fields=["other_number"],
                condition=Q(direction="outbound")
                & ~Q(
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
        return self.description.capitalize()

    @property
    def description(self) -> str:
        return f"call {'from' if self.is_inbound else 'to'} {self.number}"

    @property
    def number(self) -> str:
        if not self.other_number:
            return "withheld number"
        return number_facts.format_international(self.other_number)

    @property
    def who(self) -> str:
        """The contact's name, if `with_contact_name` has added it, or the number."""
        name: str | None = getattr(self, "contact_name", None)
        return name or self.number

    @property
    def country(self) -> str:
        return number_facts.country(self.other_number)

    @property
    def is_inbound(self) -> bool:
        return self.direction == self.Direction.INBOUND

    @property
    def is_conversation(self) -> bool:
        return self.kind == self.Kind.CONVERSATION

    @property
    def to(self) -> str:
        return self.our_number if self.is_inbound else self.other_number

    @property
    def from_number(self) -> str:
        return self.other_number if self.is_inbound else self.our_number

    @property
    def is_voicemail(self) -> bool:
        """Whether Twilio detected an answering machine."""
        return self.answered_by.startswith("machine")

    @property
    def ends_for_voicemail(self) -> bool:
        """Whether this site ends the call, because an answering machine answered."""
        return self.is_voicemail and settings.MACHINE_DETECTION == "hangup"

    @property
    def expects_recording(self) -> bool:
        """Whether a completed call should have a recording."""
        return self.kind != self.Kind.CODE and not self.ends_for_voicemail

    @property
    def phones(self) -> list[PhoneStatus]:
        """This call and, in a conversation, its leg. Twilio sets a price for each."""
        return [self, self.leg] if self.is_conversation else [self]

    @property
    def known_prices(self) -> list[tuple[Decimal, str]]:
        """The price and the currency of each phone with a known price."""
        # Twilio's prices are negative, because they are debits.
        return [
            (abs(phone.price), phone.price_unit)
            for phone in self.phones
            if phone.price is not None
        ]

    @property
    def total_price(self) -> Decimal | None:
        """Return the sum of `known_prices`, in `currency`, or None if none is known."""
        prices = [price for price, _ in self.known_prices]
        return sum(prices, Decimal()) if prices else None

    @property
    def currency(self) -> str:
        return next((currency for _, currency in self.known_prices), "")

    @property
    def cost(self) -> str:
        """Return `total_price` with its currency: `0.0085 USD`. "" if it is unknown."""
        total = self.total_price
        return "" if total is None else f"{total.normalize():f} {self.currency}".strip()

    def get_absolute_url(self) -> str:
        return reverse("caller:call-page", args=[self.uuid])

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.country_code = number_facts.country_code(self.other_number)
        super().save(*args, **kwargs)

    def dial(self) -> None:
        """Ask Twilio to place this call, and store the outcome in the call's row.

        Raises TwilioError after storing the outcome. If the error's `maybe_done` is
        true, the phone may be ringing. A webhook or Twilio's list of calls shows later
        whether the call was placed.
        """
        try:
            placed = twilio_client.place_call(self)
        except TwilioError as error:
            self.status, self.error = Call.Status.FAILED, error.message
            if error.maybe_done:
                self.status = Call.Status.UNKNOWN
            # Do not overwrite what a webhook may have stored meanwhile.
            still_dialing = Call.objects.filter(
                pk=self.pk, status=Call.Status.DIALING, sid=None
            )
            stored = still_dialing.update(
                status=self.status,
                error=self.error,
                next_check_at=next_check_time() if error.maybe_done else None,
            )
            if stored and not error.maybe_done:
                self.fail_leg(self.error)
            logger.warning(
                "call=%s dial=%s code=%s", self.uuid, self.status, error.code
            )
            raise
        self.apply(placed)
        logger.info("call=%s dial=placed", self.uuid)

    def apply(self, state: CallState) -> None:
        """Lock the call's row, and store `state`, a response of Twilio's REST API.

        See `apply_locked`.
        """
        with transaction.atomic():
            self.refresh_from_db(from_queryset=Call.objects.select_for_update())
            self.apply_locked(state, was_asked=True)

    def apply_locked(
        self,
        state: CallState,
        notice: str = "",
        was_asked: bool = False,
    ) -> None:
        """Store what is new about one phone of this call.

        Use this only while you hold the lock on the call's row. If `state` is about
        another call at Twilio, only log an error.
        notice: the text that is played now. The first notice of a call is stored, as
        evidence of consent.
        was_asked: True if we asked Twilio for `state`. Then the time of the next check
        is set even if nothing is new.
        """
        sid = state.parent_sid or state.sid
        if self.sid and self.sid != sid:
            logger.error("call=%s other_sid=%s", self.uuid, sid)
            return
        phone = self.phone_of(state)
        before, phone_before = snapshot(self), snapshot(phone)
        self.sid = sid
        self.notice = self.notice or notice
        phone.update_from(state)
        if phone is not self:
            save_changes(phone, phone_before)
        if not state.parent_sid:
            self.queued_at = self.queued_at or state.created_at
        self.answered_by = state.answered_by or self.answered_by
        if self.is_conversation:
            self.follow_leg(self.leg)
        if was_asked or (snapshot(self), snapshot(phone)) != (before, phone_before):
            self.next_check_at = next_check(self)
            save_changes(self, before)

    def phone_of(self, state: CallState) -> PhoneStatus:
        """Return the row of the phone that `state` describes: this Call or its Leg.

        The Leg is the operator's phone:
        - in an incoming conversation, the child call, which <Dial> made
        - in an outgoing conversation, the parent call
        """
        is_child = bool(state.parent_sid)
        if self.is_conversation and is_child == self.is_inbound:
            leg: PhoneStatus = self.leg
            return leg
        return self

    def follow_leg(self, leg: Any) -> None:
        """Update the status of an outgoing conversation from its leg, without saving.

        Until Twilio calls the other party, the operator's phone (`leg`) decides the
        status of the call.
        """
        if self.is_inbound or self.is_finished:
            return
        if leg.is_finished and not (leg.accepted_at or self.ringing_at):
            # Probably the other party was not called. A final status from Twilio
            # replaces this guess.
            self.status = Call.Status.CANCELED
            self.error = NOT_DIALLED.get(leg.status, NO_KEY_PRESSED)
        elif self.current_rank < self.rank(Call.Status.INITIATED):
            dialled = leg.accepted_at is not None
            self.status = Call.Status.INITIATED if dialled else Call.Status.QUEUED
            self.error = ""

    def fail_leg(self, error: str) -> None:
        """Set the status of an unfinished leg to FAILED."""
        if self.is_conversation:
            legs: Any = self._meta.get_field("leg").related_model
            rows = legs.objects.filter(call=self).exclude(status__in=self.FINISHED)
            rows.update(status=self.Status.FAILED, error=error)

    def schedule_check_after_recording(self) -> None:
        """Set and save the time of the next check, now that a recording is finished."""
        before = snapshot(self)
        self.next_check_at = next_check(self, has_recording=True)
        save_changes(self, before)
