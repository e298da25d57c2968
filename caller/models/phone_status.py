"""The status of one phone in a call, as Twilio reports it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from caller.twilio.states import CallState


class PhoneStatus(models.Model):
    """Abstract base of Call and Leg: the status and the times of one phone.

    The status never moves back, see RANK.
    """

    class Status(models.TextChoices):
        # Our own statuses: DIALING until Twilio answers our request to place the call,
        # UNKNOWN if the answer was lost.
        DIALING = "dialing", "Asking Twilio"
        UNKNOWN = "unknown", "Not known yet"
        # Our own status: a rule forbids the call, so Twilio was not asked. See
        # dialling.reason_to_refuse.
        REFUSED = "refused", "Refused"
        # Twilio's statuses, unchanged.
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
    # Calls with these statuses cost nothing: nobody answered, or no call was placed.
    FREE = (
        Status.BUSY,
        Status.NO_ANSWER,
        Status.CANCELED,
        Status.FAILED,
        Status.REFUSED,
    )
    # Only a status with a higher rank replaces the current status. So a late report of
    # `ringing` does not replace `completed`.
    RANK: ClassVar[dict[str, int]] = {
        Status.DIALING: 0,
        Status.UNKNOWN: 0,
        Status.QUEUED: 1,
        Status.INITIATED: 2,
        Status.RINGING: 3,
        Status.IN_PROGRESS: 5,
        **dict.fromkeys(FINISHED, 7),
    }
    # The rank of a new status of Twilio that RANK does not have. Every final status
    # ranks higher.
    RANK_OF_UNKNOWN_STATUS = 4
    # The rank of FAILED or CANCELED if we set it ourselves. Final statuses from Twilio
    # rank higher.
    RANK_OF_OUR_GUESS = 6

    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.DIALING
    )
    ringing_at = models.DateTimeField("rang", null=True, blank=True)
    answered_at = models.DateTimeField("answered", null=True, blank=True)
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    duration_seconds = models.PositiveIntegerField(
        "duration (seconds)", null=True, blank=True
    )
    price = models.DecimalField(max_digits=10, decimal_places=5, null=True, blank=True)
    price_unit = models.CharField(max_length=3, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def current_rank(self) -> int:
        # An error text means that we set this status: Twilio sends no error texts.
        if self.status in (self.Status.FAILED, self.Status.CANCELED) and self.error:
            return self.RANK_OF_OUR_GUESS
        return self.rank(self.status)

    @classmethod
    def rank(cls, status: str) -> int:
        return int(cls.RANK.get(status, cls.RANK_OF_UNKNOWN_STATUS))

    def update_from(self, state: CallState) -> None:
        """Copy new values from Twilio, without saving them.

        The caller must hold the lock on the row, and save the row afterwards.
        """
        if state.status and self.rank(state.status) > self.current_rank:
            self.status = state.status
            self.error = ""
        self.ringing_at = self.ringing_at or state.ringing_at
        self.answered_at = self.answered_at or state.answered_at
        self.ended_at = self.ended_at or state.ended_at
        self.duration_seconds = self.duration_seconds or state.duration_seconds
        if state.price is not None:
            self.price, self.price_unit = state.price, state.price_unit
