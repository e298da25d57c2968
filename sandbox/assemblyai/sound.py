"""Decode audio for the recognisers: 16 kHz, 16 bit, each channel separately.

PyAV contains ffmpeg, so it decodes all formats that AssemblyAI accepts.
"""

from __future__ import annotations  # for array[int] before Python 3.12

from array import array
from itertools import pairwise
from pathlib import Path

import av

RATE = 16_000
SHORTEST_SECONDS = 0.160
# Samples up to this level (of 32,767) are silence. Telephone noise is below this level.
SILENCE_LEVEL = 150
FRAME_SECONDS = 0.03
MARGIN_SECONDS = 0.5
# Maximum length of a piece. The recogniser Moonshine works best below 15 s.
LONGEST_SECONDS = 14.0
PAUSE_SECONDS = 0.3


class AudioError(Exception):
    """The file cannot be used. The text is the error message of the real service."""


def read(path: Path) -> list[array[int]]:
    """Return the samples of each channel at RATE. Raises AudioError.

    If the file is truncated, return what can be decoded.
    """
    channels: list[array[int]] = []
    try:
        with av.open(str(path), mode="r", metadata_errors="ignore") as container:
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="s16p", rate=RATE)
            for frame in container.decode(stream):
                add(channels, resampler.resample(frame))
            add(channels, resampler.resample(None))
    except (av.FFmpegError, IndexError, ValueError) as error:
        if not channels:
            raise AudioError(_not_audio(path)) from error
    if not channels:
        raise AudioError(_not_audio(path))
    if len(channels[0]) < RATE * SHORTEST_SECONDS:
        raise AudioError("Audio duration is too short.")
    return channels


def add(channels: list[array[int]], frames: list[av.AudioFrame]) -> None:
    for frame in frames:
        for number, plane in enumerate(frame.planes):
            if number == len(channels):
                channels.append(array("h"))
            channels[number].frombytes(bytes(plane)[: frame.samples * 2])


def _not_audio(path: Path) -> str:
    head = path.open("rb").read(512).lstrip().lower()
    kinds = {
        b"<!doctype html": "text/html",
        b"<html": "text/html",
        b"<?xml": "text/xml",
        b"{": "application/json",
    }
    for start, kind in kinds.items():
        if head.startswith(start):
            return f"File does not appear to contain audio. File type is {kind}."
    if head and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head):
        return "File does not appear to contain audio. File type is text/plain."
    return "Transcoding failed. File does not appear to contain audio."


def mixed(channels: list[array[int]]) -> array[int]:
    if len(channels) == 1:
        return channels[0]
    return array(
        "h", (sum(values) // len(channels) for values in zip(*channels, strict=True))
    )


def speech_range(samples: array[int]) -> tuple[int, int] | None:
    """Return the indexes of the sound's start and end, with a margin. None: silence.

    The silence before and after the sound is left out, because PocketSphinx recognises
    words such as "dog" in silence.
    """
    step = int(RATE * FRAME_SECONDS)
    loud = [
        number * step
        for number, level in enumerate(levels(samples))
        if level > SILENCE_LEVEL
    ]
    # One or two loud frames are a click, not a word.
    if len(loud) < 3:
        return None
    margin = int(RATE * MARGIN_SECONDS)
    return max(0, loud[0] - margin), min(len(samples), loud[-1] + step + margin)


def levels(samples: array[int]) -> list[int]:
    """Return the loudest sample of each frame of FRAME_SECONDS."""
    step = int(RATE * FRAME_SECONDS)
    return [max(map(abs, samples[n : n + step])) for n in range(0, len(samples), step)]


def pieces(samples: array[int]) -> list[tuple[int, int]]:
    """Cut speech into pieces of at most LONGEST_SECONDS, in the pauses.

    Return (begin, end) for each piece, so that samples[begin:end] is the piece.
    """
    found = levels(samples)
    step = int(RATE * FRAME_SECONDS)
    most = int(LONGEST_SECONDS / FRAME_SECONDS)
    window = int(PAUSE_SECONDS / FRAME_SECONDS)
    cuts = [0]
    while len(found) - cuts[-1] > most:
        begin, end = cuts[-1] + most // 2, cuts[-1] + most - window
        # Cut in the middle of the quietest window.
        quietest = min(range(begin, end), key=lambda n: sum(found[n : n + window]))
        cuts.append(quietest + window // 2)
    cuts.append(len(found))
    return [
        (first * step, min(last * step, len(samples))) for first, last in pairwise(cuts)
    ]
