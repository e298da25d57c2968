"""The speech of the called person: clips, and recordings rendered from them."""

from __future__ import annotations  # array[int] needs Python 3.12

import io
import math
import wave
from array import array
from functools import lru_cache
from pathlib import Path

RATE = 8000  # Twilio's recordings: 8 kHz, 16 bit, mono
CLIPS = Path(__file__).resolve().parent.parent / "clips"
VOICEMAIL = "voicemail"
BEEP_SECONDS = 0.5


@lru_cache
def clip_names() -> list[str]:
    return sorted(p.stem for p in CLIPS.glob("*.wav") if p.stem != VOICEMAIL)


def clip_for(number: str) -> str:
    names = clip_names()
    return names[int(number[-4:]) % len(names)]


@lru_cache
def said(clip: str) -> str:
    """Return the sentence that is spoken in the clip."""
    return (CLIPS / f"{clip}.txt").read_text().strip()


@lru_cache
def samples(clip: str) -> array[int]:
    with wave.open(str(CLIPS / f"{clip}.wav")) as file:
        found = array("h")
        found.frombytes(file.readframes(file.getnframes()))
    return found


def speech_seconds(clip: str | None) -> float:
    """Return how long the person or the machine speaks, the machine's beep included."""
    if clip is None:
        return 0.0
    return len(samples(clip)) / RATE + (BEEP_SECONDS if clip == VOICEMAIL else 0)


def beep() -> array[int]:
    """Return the samples of the beep at the end of an answering machine's greeting."""
    count = int(BEEP_SECONDS * RATE)
    step = 2 * math.pi * 1000 / RATE
    return array("h", [int(8000 * math.sin(step * n)) for n in range(count)])


def render(clip: str | None, silence: float, limit: float) -> bytes:
    """Return a WAV file: the clip if any, then silence, cut at ``limit`` seconds."""
    sound = array("h", samples(clip)) if clip else array("h")
    if clip == VOICEMAIL:
        sound += beep()
    sound += array("h", bytes(2 * int(silence * RATE)))
    sound = sound[: int(limit * RATE)]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(sound.tobytes())
    return file.getvalue()
