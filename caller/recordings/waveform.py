"""How loud a recording is from moment to moment, for a picture of it.

Measured once, when the audio is stored, one level's samples in memory at a time.
"""

import sys
import wave
from array import array
from typing import IO, Any

# As many as a picture is wide.
LEVELS = 600
# Of each level, spread over it: with all of them three hours take 20 times as long
# and look the same.
SAMPLES = 4000


def measured(file: IO[bytes] | Any) -> dict[str, Any]:
    """`{"seconds": 17.3, "levels": [0 to 100, …]}` of a WAV with 8 or 16 bits of PCM.

    Empty for other audio, which a browser plays all the same. Of two channels the
    louder counts.
    """
    file.seek(0)
    try:
        with wave.open(file, "rb") as header:
            channels, width, rate, declared, *_ = header.getparams()
            begin = file.tell()
    except (wave.Error, EOFError, RuntimeError):
        return {}
    frame = channels * width
    there = (file.seek(0, 2) or file.tell()) - begin
    # A WAV that was written as a stream says 0 or 4 GB: its writer did not know.
    frames = min(declared or there // frame, there // frame)
    if width not in (1, 2) or rate < 1 or frames < 1:
        return {}
    file.seek(begin)
    count = min(LEVELS, frames)
    levels = []
    for number in range(count):
        size = (number + 1) * frames // count - number * frames // count
        levels.append(_loudest(file.read(size * frame), width))
    return {"seconds": round(frames / rate, 3), "levels": levels}


def _loudest(data: bytes, width: int) -> int:
    # Odd, so that both channels of a stereo file have their turn.
    step = len(data) // width // SAMPLES | 1
    if width == 1:
        some = [sample - 128 for sample in data[::step]]
        return round(max(map(abs, some), default=0) / 1.28)
    samples = array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return round(max(map(abs, samples[::step]), default=0) / 327.68)


def outline(levels: list[int]) -> str:
    """An SVG path, LEVELS wide and 100 high, the loudest level filling the height."""
    if not levels:
        return ""
    full = max(*levels, 1)
    wide = LEVELS / len(levels)
    heights = [max(1, round(48 * level / full)) for level in levels]
    steps = [(f"{number * wide:.4g}", height) for number, height in enumerate(heights)]
    upper = "".join(f"L{x} {50 - height}" for x, height in steps)
    lower = "".join(f"L{x} {50 + height}" for x, height in reversed(steps))
    return f"M0 50{upper}L{LEVELS} 50{lower}Z"
