"""Recognise speech. Runs in worker processes, because it is CPU-bound."""

from __future__ import annotations  # array[int] needs Python 3.12

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
    """Load the model before the first job needs it."""
    # Ctrl-C reaches every process of the terminal. The parent stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(folder,), daemon=True).start()
    _decoder()


@cache
def _decoder() -> Any:
    """Return the decoder of this process. Creating one takes 0.4 s."""
    # Imported here, because the web server imports this module without needing it.
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL")


def _die_with_parent(folder: Path) -> None:
    # A killed parent cannot stop its workers or delete its folder, so do both here.
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


def recognise(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"words": [...], "seconds", "channels"}`` or ``{"error": text}``.

    A word is ``{"text", "start", "end", "confidence", "channel", "pause"}``. Times are
    in ms. channel counts from 1, or is None for mixed channels. pause is the silence
    before the word, in ms.
    """
    try:
        channels = sound.read(path)
    except sound.AudioError as error:
        return {"error": str(error)}
    seconds = len(channels[0]) / sound.RATE
    first = int((options.get("audio_start_from") or 0) * sound.RATE / 1000)
    last = int((options.get("audio_end_at") or seconds * 1000) * sound.RATE / 1000)
    words: list[dict[str, Any]] = []
    if options.get("multichannel"):
        for number, samples in enumerate(channels, start=1):
            words += _words(samples, first, last, str(number))
        words.sort(key=lambda word: word["start"])
    else:
        words = _words(sound.mixed(channels), first, last, None)
    return {"words": words, "seconds": seconds, "channels": len(channels)}


def _words(
    samples: array[int], begin: int, end: int, channel: str | None
) -> list[dict[str, Any]]:
    found = sound.speech_range(samples[begin:end])
    if found is None:
        return []
    first, last = begin + found[0], begin + found[1]
    data = samples[first:last].tobytes()
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(data, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    offset = first * 1000 // sound.RATE
    words: list[dict[str, Any]] = []
    finished = 0
    for segment in decoder.seg():
        if segment.word[0] in "<[+":  # silence and noise
            continue
        start = segment.start_frame * FRAME_MS
        words.append(
            {
                "text": segment.word.split("(")[0],  # "the(2)" is another pronunciation
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
    """Scale PocketSphinx's posterior to a confidence like AssemblyAI's.

    Correct words mostly have a posterior of 0.05 or more, wrong words less. The fourth
    root keeps the order and moves wrong words to about 0.4 or below, which AssemblyAI's
    users read as low confidence.
    """
    spread: float = max(0.0, min(1.0, posterior)) ** 0.25
    return round(spread, 5)
