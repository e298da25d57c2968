"""Persons at a phone: what they do when it rings, at a key prompt, and when they speak.

The number determines the fate of a Person (see fates.py) and the spoken clip. In
live.py, a user of the phone page decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.twilio import audio

if TYPE_CHECKING:
    from sandbox.twilio.state import Call

RING_SECONDS = 2.0
NO_ANSWER_SECONDS = 6.0
SECONDS_PER_WORD = 0.35
# How long a person needs to find a key.
KEY_SECONDS = 1.0
# A person who has finished speaking hangs up after this much silence.
PATIENCE_SECONDS = 10.0
ALL_KEYS = "1234567890*#"


@dataclass
class Message:
    """The sound of a recording, and how it ended.

    seconds: the length. spoken: the length without the silence at the end.
    ended_by: the pressed key, such as "#", or "hangup". Empty if silence or the time
    limit ended the recording.
    """

    seconds: float
    spoken: float = 0.0
    track: audio.Track = field(default_factory=list)
    ended_by: str = ""


class Person:
    # True if a user of the phone page plays this person.
    is_live = False

    def __init__(self, fate: str | None, clip: str | None) -> None:
        self.fate, self.clip = fate, clip

    @property
    def said(self) -> str | None:
        return audio.said(self.clip) if self.clip else None

    @property
    def is_machine(self) -> bool:
        return self.fate == "voicemail"

    def pick_up(self, call: Call) -> str:
        """Wait while the phone rings. Return "" if answered, else the final status."""
        if self.fate == "no-answer":
            call.wait(NO_ANSWER_SECONDS)
            return "no-answer"
        call.wait(RING_SECONDS)
        return "busy" if self.fate == "busy" else ""

    def connected(self) -> None:
        """Do nothing after our number has answered. The class Live overrides this."""

    def hear(self, call: Call, text: str) -> None:
        """Listen to a sentence. Raises CallOver if the person hangs up."""
        call.note(f"hears: {text}")
        seconds = len(text.split()) * SECONDS_PER_WORD
        if self.fate == "hangs-up":
            call.wait(seconds / 2)
            call.hang_up("hangs up during the message")
        call.wait(seconds)

    def press(self, call: Call, seconds: float) -> str:
        """Return the key that the person presses within this time, or ""."""
        if self.is_machine or self.fate == "silent":
            call.note("presses no key")
            call.wait(seconds)
            return ""
        call.wait(KEY_SECONDS)
        call.note("presses 1")
        return "1"

    def begin(self, call: Call) -> None:
        """React to the beep of a recording. Raises CallOver if the person hangs up."""
        if self.fate in ("too-short", "hangs-up"):
            call.hang_up("hangs up at the beep")

    def leave_message(
        self, call: Call, keys: str, told: str, silence: float, limit: float
    ) -> Message:
        """Speak into a recording.

        - keys: each of these keys ends the recording.
        - told: what the person has heard. After "press", the person presses a key.
        - silence: seconds of silence that end the recording (0: never).
        - limit: maximum length of the recording in seconds.
        """
        call.note(f"says: {self.said}" if self.said else "says nothing")
        spoken = audio.speech_seconds(self.clip)
        if keys and "press" in told.lower():
            after, ended_by = 1.0, "#" if "#" in keys else keys[0]
        elif silence == 0 or silence > PATIENCE_SECONDS:
            after, ended_by = PATIENCE_SECONDS, "hangup"
        else:
            after, ended_by = silence, ""
        length = spoken + after
        if length >= limit:
            length, ended_by = limit, ""
        passed = call.wait_or_hang_up(length)
        if passed < length:  # hung up by the API: keep what was said so far
            length, ended_by = passed, "hangup"
        return Message(length, spoken, self.track(), ended_by)

    # Methods for a conversation

    @property
    def talk_seconds(self) -> float:
        return audio.speech_seconds(self.clip)

    def talk(self, call: Call, start: float) -> None:
        """Talk, `start` seconds after the beginning of the conversation."""
        call.note(f"says: {self.said}" if self.said else "says nothing")

    def talked(self, start: float) -> audio.Track:
        """Return what this person has said in a conversation. Call this at its end."""
        return self.track(start)

    def track(self, start: float = 0.0) -> audio.Track:
        return [(start, audio.spoken(self.clip))] if self.clip else []
