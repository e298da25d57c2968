"""The waveform of a recording: its loudness over time.

Measured once, when the audio is stored. Only the samples of one level are in memory.
"""

import sys
import wave
from array import array
from typing import IO, Any

# Width of the picture.
LEVELS = 600
# Samples measured per level, evenly spaced. Measuring all of them would take 20 times
# as long for three hours of audio, and the picture would look the same.
SAMPLES = 4000


def measured(file: IO[bytes] | Any) -> dict[str, Any]:
    """Return `{"seconds": 17.3, "levels": [0 to 100, …]}` for an 8 or 16 bit PCM WAV.

    Empty for other formats; a browser can still play them. For stereo, a level is that
    of the louder channel.
    """
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
    return {"seconds": round(frames / rate, 3), "levels": levels}


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
