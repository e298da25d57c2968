"""Recognise speech. This runs in worker processes, because it needs much CPU time."""

from __future__ import annotations  # for array[int] before Python 3.12

import multiprocessing
import os
import shutil
import signal
import threading
from array import array
from pathlib import Path
from typing import Any

from sandbox.assemblyai import moonshine, sound, sphinx
from sandbox.assemblyai.sphinx import Word


def start_worker(folder: Path) -> None:
    """Prepare a worker process: load PocketSphinx before the first job needs it.

    folder: deleted if the parent process is killed.
    """
    # Ctrl-C reaches every process of the terminal. Ignore it here, because the parent
    # stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(folder,), daemon=True).start()
    if moonshine.is_installed():
        sphinx.quick()
    else:
        sphinx.thorough()


def name() -> str:
    """Return the names of the recognisers that are used."""
    return "Moonshine and PocketSphinx" if moonshine.is_installed() else "PocketSphinx"


def _die_with_parent(folder: Path) -> None:
    # A killed parent cannot stop its workers or delete its folder, so do both here.
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


def recognise(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"words", "seconds", "channels", "is_written"}`` or ``{"error": text}``.

    channels: the number of channels.
    is_written: the words have capitals and punctuation.
    A word is ``{"text", "start", "end", "confidence", "channel", "pause"}``:
    - start, end: in ms
    - channel: "1", "2" and so on, or None if the channels were mixed
    - pause: the silence before the word, in ms
    """
    try:
        channels = sound.read(path)
    except sound.AudioError as error:
        return {"error": str(error)}
    seconds = len(channels[0]) / sound.RATE
    first = int((options.get("audio_start_from") or 0) * sound.RATE / 1000)
    last = int((options.get("audio_end_at") or seconds * 1000) * sound.RATE / 1000)
    terms = tuple(options.get("keyterms_prompt") or ())
    words: list[Word] = []
    if options.get("multichannel"):
        for number, samples in enumerate(channels, start=1):
            words += _words(samples[first:last], first, str(number), terms)
        words.sort(key=lambda word: word["start"])
    else:
        words = _words(sound.mixed(channels)[first:last], first, None, terms)
    return {
        "words": words,
        "seconds": seconds,
        "channels": len(channels),
        "is_written": moonshine.is_installed(),
    }


def _words(
    samples: array[int], begin: int, channel: str | None, terms: tuple[str, ...]
) -> list[Word]:
    """Return the words of one channel. begin: index of samples[0] in the audio."""
    found = sound.speech_range(samples)
    if found is None:
        return []
    listener = moonshine if moonshine.is_installed() else sphinx
    heard = listener.words_in(samples[found[0] : found[1]], terms)
    offset = (begin + found[0]) * 1000 // sound.RATE
    words: list[Word] = []
    finished = 0
    for word in heard:
        words.append(
            {
                "text": word["text"],
                "start": offset + word["start"],
                "end": offset + word["end"],
                "confidence": word["confidence"],
                "channel": channel,
                "pause": word["start"] - finished,
            }
        )
        finished = word["end"]
    return words
