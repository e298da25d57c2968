"""The waveform of a recording: its loudness over time, its length and channels.

Measured once, when the audio is stored. A WAV of 8 or 16 bits, as Twilio sends it, is
read here, in milliseconds. Any other audio goes to decoder.py.
"""

import json
import logging
import shutil
import subprocess
import sys
import wave
from array import array
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

logger = logging.getLogger(__name__)

# Width of the picture.
LEVELS = 600
# Samples measured per level, evenly spaced. Measuring all of them would take 20 times
# as long for three hours of audio, and the picture would look the same.
SAMPLES = 4000
# Where `-m caller.recordings.decoder` is found.
ROOT = Path(__file__).resolve().parents[2]
# Three hours take four seconds.
DECODE_SECONDS = 50


def measured(file: IO[bytes] | Any) -> dict[str, Any]:
    """Return `{"seconds": 17.3, "levels": [0 to 100, …], "channels": 1}`.

    Empty if the audio cannot be decoded: a browser or AssemblyAI may still be able to.
    For stereo, a level is that of the louder channel.
    """
    return _of_plain_wav(file) or _decoded(file)


def _decoded(file: IO[bytes] | Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "caller.recordings.decoder"]
    file.seek(0)
    with TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        try:
            done = subprocess.run(  # noqa: S603 - a command of our own
                command,
                stdin=copy,
                capture_output=True,
                cwd=ROOT,
                timeout=DECODE_SECONDS,
                check=True,
            )
            return dict(json.loads(done.stdout))
        except (subprocess.SubprocessError, ValueError) as error:
            # It crashed, or takes too long. The recording is stored nevertheless.
            logger.warning("decoder error=%s", type(error).__name__)
            return {}


def _of_plain_wav(file: IO[bytes] | Any) -> dict[str, Any]:
    file.seek(0)
    try:
        with wave.open(file, "rb") as header:
            channels, width, rate, declared, *_ = header.getparams()
            data_start = file.tell()
    except (wave.Error, EOFError, RuntimeError):
        return {}
    frame = channels * width
    data_bytes = (file.seek(0, 2) or file.tell()) - data_start
    # Streaming writers leave 0 or about 4 GB as the size.
    frames = min(declared or data_bytes // frame, data_bytes // frame)
    if width not in (1, 2) or rate < 1 or frames < 1:
        return {}
    file.seek(data_start)
    count = min(LEVELS, frames)
    levels = []
    for number in range(count):
        size = (number + 1) * frames // count - number * frames // count
        levels.append(_peak(file.read(size * frame), width))
    seconds = round(frames / rate, 3)
    return {"seconds": seconds, "levels": levels, "channels": channels}


def _peak(data: bytes, width: int) -> int:
    # An odd step visits both channels of a stereo file.
    step = len(data) // width // SAMPLES | 1
    if width == 1:
        centred = [sample - 128 for sample in data[::step]]
        return round(max(map(abs, centred), default=0) / 1.28)
    samples = array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return round(max(map(abs, samples[::step]), default=0) / 327.68)


def outline(levels: list[int]) -> str:
    """Return an SVG path, LEVELS wide and 100 high, scaled to the loudest level."""
    if not levels:
        return ""
    full = max(*levels, 1)
    wide = LEVELS / len(levels)
    heights = [max(1, round(48 * level / full)) for level in levels]
    steps = [(f"{number * wide:.4g}", height) for number, height in enumerate(heights)]
    upper = "".join(f"L{x} {50 - height}" for x, height in steps)
    lower = "".join(f"L{x} {50 + height}" for x, height in reversed(steps))
    return f"M0 50{upper}L{LEVELS} 50{lower}Z"
