"""The phone page: in a browser, a user answers calls and speaks.

While the page is open, the user answers for all numbers without a fate (see fates.py).
The option --pace does not shorten the time to answer, press a key or speak.
"""

from __future__ import annotations  # for array[int] before Python 3.12

import threading
import time
from array import array
from typing import Any

import av

from sandbox.twilio import audio
from sandbox.twilio.people import SECONDS_PER_WORD, Message, Person
from sandbox.twilio.state import Call, network

# The page counts as closed if it has not requested /phone/news for this long.
OPEN_SECONDS = 4.0
RING_SECONDS = 30.0
LOOK_SECONDS = 0.05
# Samples up to this level (of 32,767) are silence.
SILENCE_LEVEL = 700

RINGING, LISTENING, KEY, RECORDING, TALKING, OVER = (
    *("ringing", "listening", "key", "recording", "talking", "over"),
)


class Live(Person):
    is_live = True

    def __init__(self, clip: str | None) -> None:
        super().__init__(None, clip)
        self.state = RINGING
        self.wants_to_answer = threading.Event()
        self.keys: list[str] = []
        self.heard: list[str] = []
        self.spoken: list[str] = []
        self._track: audio.Track = []
        self._microphone: array[int] | None = None
        self._began = self._loud_at = self._rings_until = 0.0
        self._lock = threading.Lock()
        self._resampler: Any = None

    @property
    def said(self) -> str | None:
        return " ".join(self.spoken) or None

    # Methods for the phone network

    def pick_up(self, call: Call) -> str:
        self._rings_until = time.monotonic() + RING_SECONDS
        while not self.wants_to_answer.wait(LOOK_SECONDS):
            if call.over.is_set() or not pages.is_open():
                return "busy" if call.over.is_set() else "no-answer"
            if time.monotonic() > self._rings_until:
                return "no-answer"
        self.state = LISTENING
        return ""

    def connected(self) -> None:
        self.state = LISTENING

    def hear(self, call: Call, text: str) -> None:
        call.note(f"hears: {text}")
        self.heard.append(text)
        call.wait(len(text.split()) * SECONDS_PER_WORD)

    def press(self, call: Call, seconds: float) -> str:
        self.state = KEY
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.keys:
                self.state = LISTENING
                call.note(f"presses {self.keys[0]}")
                return self.keys.pop(0)
            # Wait in real time, which --pace does not scale. If the call has ended,
            # `call.wait` raises CallOver.
            if call.over.wait(LOOK_SECONDS):
                call.wait(0)
        self.state = LISTENING
        call.note("presses no key")
        return ""

    def begin(self, call: Call) -> None:
        self.keys.clear()

    def leave_message(
        self, call: Call, keys: str, told: str, silence: float, limit: float
    ) -> Message:
        self._start(RECORDING)
        call.note("speaks")
        ended_by = ""
        while self._passed() < limit:
            if call.over.wait(LOOK_SECONDS):
                ended_by = "hangup"
                break
            pressed = [key for key in self.keys if key in keys]
            if pressed:
                ended_by = pressed[0]
                break
            if silence and time.monotonic() - self._loud_at > silence:
                break
        self.state = OVER if ended_by == "hangup" else LISTENING
        return Message(self._passed(), self._passed(), self.track(), ended_by)

    @property
    def talk_seconds(self) -> float:
        return 0.0

    def talk(self, call: Call, start: float) -> None:
        self._start(TALKING)
        call.note("talks")

    def track(self, start: float = 0.0) -> audio.Track:
        with self._lock:
            return list(self._track)

    # Methods for the phone page

    def let_ring(self) -> None:
        seconds = RING_SECONDS * network.pace
        self._rings_until = min(self._rings_until, time.monotonic() + seconds)

    def listen(self, sound: bytes, rate: int) -> None:
        """Add 16-bit microphone samples, if the person is recorded or talks."""
        if self.state not in (RECORDING, TALKING):
            return
        with self._lock:
            if self._resampler is None:
                self._resampler = av.AudioResampler("s16", "mono", audio.RATE)
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(sound) // 2)
            frame.planes[0].update(sound)
            frame.sample_rate = rate
            found: array[int] = array("h")
            for each in self._resampler.resample(frame):
                found.frombytes(bytes(each.planes[0])[: each.samples * 2])
            self._add(found)

    def play(self, clip: str) -> None:
        """Play a clip into the call, starting now."""
        with self._lock:
            now = self._passed()
            self._track.append((now, audio.spoken(clip)))
            self.spoken.append(audio.said(clip))
            # Measure silence from the end of the clip.
            self._loud_at = time.monotonic() + audio.speech_seconds(clip)

    def _start(self, state: str) -> None:
        with self._lock:
            self._track, self._microphone, self._resampler = [], None, None
            self._began = self._loud_at = time.monotonic()
            self.state = state

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _add(self, samples: array[int]) -> None:
        if any(abs(sample) > SILENCE_LEVEL for sample in samples):
            self._loud_at = max(self._loud_at, time.monotonic())
        if self._microphone is not None:
            # Append without gaps, even if samples arrive a little early or late.
            self._microphone.extend(samples)
            return
        self._microphone = samples
        start = max(0.0, self._passed() - len(samples) / audio.RATE)
        # Insert the microphone before all clips, so that clips win: where two sounds
        # overlap, audio.render uses the later item of the list.
        self._track.insert(0, (start, samples))


class Pages:
    """Remember whether a phone page is open."""

    def __init__(self) -> None:
        self._seen = 0.0

    def seen(self) -> None:
        self._seen = time.monotonic()

    def closed(self) -> None:
        self._seen = 0.0

    def is_open(self) -> bool:
        return time.monotonic() - self._seen < OPEN_SECONDS


pages = Pages()


def at_the_page() -> list[Call]:
    """Return the calls in which a user of the phone page speaks, oldest first."""
    with network.lock:
        calls = sorted(network.calls.values(), key=lambda call: call.created)
    return [
        call
        for call in calls
        if isinstance(call.person, Live)
        and not call.over.is_set()
        and (call.started or call.answered)
    ]
