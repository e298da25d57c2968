"""The waveform of a recording: its loudness over time, its length and channels.

This module measures WAV files of 8 or 16 bits, such as Twilio's. decoder.py measures
all other audio, which takes longer.
"""

from __future__ import annotations  # for array[int] before Python 3.12

import json
import logging
import shutil
import subprocess
import sys
import wave
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryFile
from typing import IO, Any

logger = logging.getLogger(__name__)

# Maximum number of levels, one per part of the audio. Also the width of the picture.
LEVELS = 600
# For speed, measure only some samples of each part: between this many and twice as
# many. For three hours of audio, this is 20 times as fast, and the picture is the same.
SAMPLES = 4000
# `python -m caller.recordings.decoder` must be run in this folder.
ROOT = Path(__file__).resolve().parents[2]
# Time limit of the decoder. 24 hours of audio (decoder.MAX_SECONDS) take about 32 s.
DECODE_SECONDS = 50


def measure(
    file: IO[bytes] | Any, keep_alive: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Return `{"seconds": 17.3, "levels": [0, 57, 100], "channels": 1}`.

    Return {} if we cannot decode the audio.
    levels: the level of the loudest channel in each part of the audio, 0 to 100.
    A WAV of 8 or 16 bits with two channels also has `each`: [levels of the left
    channel, levels of the right channel].
    keep_alive: called while the decoder runs, see audio.Heartbeat.
    """
    return _measure_wav(file) or _measure_with_decoder(file, keep_alive)


def _measure_with_decoder(
    file: IO[bytes] | Any, keep_alive: Callable[[], None]
) -> dict[str, Any]:
    command = [sys.executable, "-m", "caller.recordings.decoder"]
    file.seek(0)
    with TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        try:
            return dict(json.loads(_run(command, copy, keep_alive)))
        except (subprocess.SubprocessError, ValueError) as error:
            # The decoder crashed or took too long. Store the audio without a waveform.
            logger.warning("decoder error=%s", type(error).__name__)
            return {}


def _run(command: list[str], stdin: IO[bytes], keep_alive: Callable[[], None]) -> bytes:
    """Return what the command prints. Call keep_alive each second while it runs.

    Raises CalledProcessError if the command fails or takes more than DECODE_SECONDS.
    Also raises the exceptions of keep_alive.
    """
    printed = b""
    with subprocess.Popen(  # noqa: S603 - a command of our own
        command, stdin=stdin, stdout=PIPE, stderr=DEVNULL, cwd=ROOT
    ) as process:
        try:
            for _ in range(DECODE_SECONDS):
                with suppress(subprocess.TimeoutExpired):
                    printed, _ = process.communicate(timeout=1)
                    break
                keep_alive()
        finally:
            process.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed


def _measure_wav(file: IO[bytes] | Any) -> dict[str, Any]:
    file.seek(0)
    try:
        with wave.open(file, "rb") as header:
            channels, width, rate, declared, *_ = header.getparams()
            data_start = file.tell()
    except (wave.Error, EOFError, RuntimeError):
        return {}
    frame = channels * width
    data_bytes = (file.seek(0, 2) or file.tell()) - data_start
    # Do not trust the size in the header: if a program writes a WAV as a stream, the
    # header contains 0 or about 4 GB.
    frames = min(declared or data_bytes // frame, data_bytes // frame)
    if width not in (1, 2) or rate < 1 or frames < 1:
        return {}
    file.seek(data_start)
    count = min(LEVELS, frames)
    each: list[list[int]] = [[] for _ in range(channels)]
    for number in range(count):
        size = (number + 1) * frames // count - number * frames // count
        samples = _samples(file.read(size * frame), width)
        for channel, levels in enumerate(each):
            levels.append(_peak(samples, channel, channels, width))
    measured = {
        "seconds": round(frames / rate, 3),
        "levels": [max(levels) for levels in zip(*each, strict=True)],
        "channels": channels,
    }
    return {**measured, "each": each} if channels == 2 else measured


def _samples(data: bytes, width: int) -> array[int]:
    if width == 1:
        return array("h", (sample - 128 for sample in data))
    samples = array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _peak(samples: array[int], channel: int, channels: int, width: int) -> int:
    step = max(1, len(samples) // channels // SAMPLES)
    mine = samples[channel :: channels * step]
    full = 327.68 if width == 2 else 1.28
    return round(max(map(abs, mine), default=0) / full)


def outlines(loudness: dict[str, Any]) -> list[str]:
    """Return one SVG path, or one path per channel if `loudness` has `each`.

    loudness: the result of `measure`. The whole picture is LEVELS wide and 100 high.
    Two paths have the same scale, so that the quieter channel looks smaller.
    """
    if each := loudness.get("each"):
        full = max([*each[0], *each[1], 1])
        return [_outline(each[0], full, 25, 24), _outline(each[1], full, 75, 24)]
    levels = loudness.get("levels", [])
    return [_outline(levels, max([*levels, 1]), 50, 48)]


def _outline(levels: list[int], full: int, middle: int, most: int) -> str:
    if not levels:
        return ""
    wide = LEVELS / len(levels)
    heights = [max(1, round(most * level / full)) for level in levels]
    steps = [(f"{number * wide:.4g}", height) for number, height in enumerate(heights)]
    upper = "".join(f"L{x} {middle - height}" for x, height in steps)
    lower = "".join(f"L{x} {middle + height}" for x, height in reversed(steps))
    return f"M0 {middle}{upper}L{LEVELS} {middle}{lower}Z"
