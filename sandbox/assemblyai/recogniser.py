"""Speech to words. Runs in worker processes: PocketSphinx keeps a processor busy."""

from __future__ import annotations  # array[int] runs on Python 3.12 only

import multiprocessing
import os
import shutil
import signal
import threading
from array import array
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.assemblyai import sound

# PocketSphinx counts time in frames of 10 ms.
FRAME_MS = 10


def start_worker(folder: Path) -> None:
    """Loads the model before the first job needs it."""
    # Ctrl-C goes to every process of the terminal; our parent ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(folder,), daemon=True).start()
    _decoder()


@cache
def _decoder() -> Any:
    """One a process: making one takes 0.4 s."""
    # Late, for the web server imports this module too, and needs no recogniser.
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL")


def _die_with_parent(folder: Path) -> None:
    # Also when it was killed: then it could neither tell us nor clear its folder.
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


def recognise(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """``{"words": [...], "seconds", "channels"}``, or ``{"error": text}``.

    A word is ``{"text", "start", "end", "confidence", "channel", "pause"}``: times in
    ms; channel from 1, or None for a mix; pause: ms of silence before it.
    """
    try:
        channels, rate = sound.read(path)
    except sound.AudioError as error:
        return {"error": str(error)}
    seconds = len(channels[0]) / rate
    begin = int((options.get("audio_start_from") or 0) * rate / 1000)
    end = int((options.get("audio_end_at") or seconds * 1000) * rate / 1000)
    words: list[dict[str, Any]] = []
    if options.get("multichannel"):
        for number, samples in enumerate(channels, start=1):
            words += _words(samples, rate, begin, end, str(number))
        words.sort(key=lambda word: word["start"])
    else:
        words = _words(sound.mixed(channels), rate, begin, end, None)
    return {"words": words, "seconds": seconds, "channels": len(channels)}


def _words(
    samples: array[int], rate: int, begin: int, end: int, channel: str | None
) -> list[dict[str, Any]]:
    found = sound.speech_range(samples[begin:end], rate)
    if found is None:
        return []
    first, last = begin + found[0], begin + found[1]
    data = sound.to_16_khz(samples[first:last], rate).tobytes()
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(data, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    offset = first * 1000 // rate
    words: list[dict[str, Any]] = []
    finished = 0
    for segment in decoder.seg():
        if segment.word[0] in "<[+":  # silence and noise
            continue
        start = segment.start_frame * FRAME_MS
        words.append(
            {
                "text": segment.word.split("(")[0],  # "the(2)": another pronunciation
                "start": offset + start,
                "end": offset + (segment.end_frame + 1) * FRAME_MS,
                "confidence": _confidence(segment.prob),
                "channel": channel,
                "pause": start - finished,
            }
        )
        finished = (segment.end_frame + 1) * FRAME_MS
    return words


def _confidence(posterior: float) -> float:
    """PocketSphinx's posterior, spread over 0 to 1.

    Right words mostly have 0.05 and more, wrong ones less. The fourth root keeps their
    order and puts the wrong ones near 0.4 or below, where a reviewer of AssemblyAI's
    confidences would look for them.
    """
    spread: float = max(0.0, min(1.0, posterior)) ** 0.25
    return round(spread, 5)
