"""Make the audio of recordings from clips and from the sound of a microphone."""

from __future__ import annotations  # for array[int] before Python 3.12

import io
import math
import wave
from array import array
from functools import lru_cache
from pathlib import Path

from sandbox.twilio.fates import SPECIALISTS

RATE = 8000  # Twilio's recordings: 8 kHz, 16 bit
CLIPS = Path(__file__).resolve().parent.parent / "clips"
VOICEMAIL = "voicemail"
# Folder of clips with special terms. A keyword list is needed to recognise them.
TERMS = "terms"
BEEP_SECONDS = 0.5

# Sounds of one person: (seconds from the start of the recording, samples).
Track = list[tuple[float, "array[int]"]]


@lru_cache
def clip_names() -> list[str]:
    return sorted(p.stem for p in CLIPS.glob("*.wav") if p.stem != VOICEMAIL)


def clip_for(number: str) -> str:
    if specialist := SPECIALISTS.get(number[-4:]):
        return f"{TERMS}/{specialist[0]}"
    names = clip_names()
    return names[int(number[-4:]) % len(names)]


@lru_cache
def said(clip: str) -> str:
    """Return the text that is spoken in the clip."""
    return (CLIPS / f"{clip}.txt").read_text().strip()


@lru_cache
def samples(clip: str) -> array[int]:
    with wave.open(str(CLIPS / f"{clip}.wav")) as file:
        found = array("h")
        found.frombytes(file.readframes(file.getnframes()))
    return found


@lru_cache
def spoken(clip: str) -> array[int]:
    """Return the samples of a clip. The voicemail clip gets a beep at the end."""
    return samples(clip) + beep() if clip == VOICEMAIL else samples(clip)


def speech_seconds(clip: str | None) -> float:
    """Return the seconds that `spoken` takes, or 0 if there is no clip."""
    return len(spoken(clip)) / RATE if clip else 0.0


def beep() -> array[int]:
    """Return the samples of the beep at the end of a voicemail greeting."""
    count = int(BEEP_SECONDS * RATE)
    step = 2 * math.pi * 1000 / RATE
    return array("h", [int(8000 * math.sin(step * n)) for n in range(count)])


def render(tracks: list[Track], seconds: float, channels: int) -> bytes:
    """Return a WAV file of this length. With one channel, the tracks are mixed."""
    length = int(seconds * RATE)
    parts = [_channel(track, length) for track in tracks]
    if channels == 1 and len(parts) > 1:
        parts = [_mixed(parts)]
    interleaved = array("h", bytes(2 * length * len(parts)))
    for number, part in enumerate(parts):
        interleaved[number :: len(parts)] = part
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((len(parts), 2, RATE, 0, "NONE", ""))
        out.writeframes(interleaved.tobytes())
    return file.getvalue()


def _channel(track: Track, length: int) -> array[int]:
    sound = array("h", bytes(2 * length))
    for start, samples in track:
        at = int(start * RATE)
        kept = samples[: max(0, length - at)]
        sound[at : at + len(kept)] = kept
    return sound


def _mixed(parts: list[array[int]]) -> array[int]:
    return array(
        "h",
        (max(-32768, min(32767, sum(each))) for each in zip(*parts, strict=True)),
    )
