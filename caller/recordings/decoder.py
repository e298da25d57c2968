"""Decode audio in a separate process: broken files can crash ffmpeg, a part of PyAV.

    python -m caller.recordings.decoder < FILE

Prints `{"seconds": 17.3, "levels": [0, 57, 100], "channels": 1}`, see waveform.measure.
Prints `{}` if the audio cannot be decoded. Keeps only a few thousand peaks in memory.
"""

import json
import sys
from array import array
from itertools import pairwise
from typing import IO, Any

import av

from caller.recordings.waveform import LEVELS

# `Peaks` stores at most this many peaks. When it is full, it merges pairs of peaks.
MAX_PEAKS = 8 * LEVELS
# If a block has more samples than this, `Peaks` measures only some of them, for speed.
SAMPLES = 1000
# Formats that ffmpeg may open. Playlists are left out: ffmpeg would open the files and
# URLs in a playlist.
FORMATS = (
    "wav,w64,aiff,au,mp3,aac,ogg,flac,mov,amr,amrnb,amrwb,matroska,asf,avi,ac3,eac3,"
    "mpeg,mpegts,caf,flv"
)
# Decode at most this much audio: a small file can contain days of silence.
MAX_SECONDS = 24 * 3600


class Peaks:
    """The peak of each block of audio. Longer audio has longer blocks."""

    def __init__(self) -> None:
        self.peaks = array("H")
        self.block = 1  # samples
        self.in_block = 0
        self.count = 0

    def add(self, channels: list["array[int]"]) -> None:
        """Add 16-bit samples, one array per channel.

        The peak of a block is its loudest measured sample (see SAMPLES) in any channel.
        """
        size, at = len(channels[0]), 0
        self.count += size
        while at < size:
            if self.in_block == 0:
                if len(self.peaks) == MAX_PEAKS:
                    self._halve()
                self.peaks.append(0)
            end = min(size, at + self.block - self.in_block)
            step = self.block // SAMPLES + 1
            for samples in channels:
                some = samples[at:end:step]
                highest, lowest = max(some), min(some)
                self.peaks[-1] = max(self.peaks[-1], highest, -lowest)
            self.in_block = (self.in_block + end - at) % self.block
            at = end

    def _halve(self) -> None:
        pairs = zip(self.peaks[::2], self.peaks[1::2], strict=True)
        self.peaks = array("H", map(max, pairs))
        self.block *= 2

    def levels(self) -> list[int]:
        """Divide the audio into at most LEVELS parts. Return their peaks, 0 to 100."""
        found = len(self.peaks)
        count = min(LEVELS, found)
        bounds = [number * found // count for number in range(count + 1)]
        return [round(max(self.peaks[a:b]) / 327.68) for a, b in pairwise(bounds)]


def decode(file: IO[bytes]) -> dict[str, Any]:
    """Return the dictionary that this module prints as JSON."""
    peaks, rate, channels = Peaks(), 0, 0
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    try:
        with av.open(
            file, mode="r", metadata_errors="ignore", options=options
        ) as container:
            resampler = av.AudioResampler(format="s16p")
            for frame in container.decode(container.streams.audio[0]):
                rate = frame.sample_rate
                for part in resampler.resample(frame):
                    samples = planes(part)
                    channels = len(samples)
                    peaks.add(samples)
                if peaks.count > MAX_SECONDS * rate:
                    break
    except (av.FFmpegError, IndexError, ValueError):
        # Keep what was decoded before the error.
        pass
    if not peaks.count or not rate:
        return {}
    seconds = round(peaks.count / rate, 3)
    return {"seconds": seconds, "levels": peaks.levels(), "channels": channels}


def planes(frame: Any) -> list["array[int]"]:
    """Return the samples of each channel of a 16-bit frame."""
    return [array("h", bytes(plane)[: frame.samples * 2]) for plane in frame.planes]


if __name__ == "__main__":
    print(json.dumps(decode(sys.stdin.buffer)))  # noqa: T201
