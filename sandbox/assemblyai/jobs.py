"""Run jobs, which AssemblyAI calls transcripts, and then send their webhooks.

The status of a job: queued, processing, then completed or error.
"""

import gc
import hashlib
import json
import multiprocessing
import os
import queue
import tempfile
import threading
import time
from collections import OrderedDict
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import requests

from sandbox.assemblyai import params, recogniser, wording
from sandbox.assemblyai.state import Job, account, now
from sandbox.assemblyai.webhook import notify

WORKERS = 2
QUEUED_SECONDS = 0.3
PROCESSING_SECONDS = 1.0
DOWNLOAD_SECONDS = 30
RECOGNISE_SECONDS = 600
STOP_SECONDS = 3
# Keep this many results in memory, so that equal audio is recognised only once.
CACHE_SIZE = 200
# Optional folder where several stand-ins share their results.
SHARED_CACHE = os.environ.get("SANDBOX_CACHE", "")

NO_SPEECH = "language_detection cannot be performed on files with no spoken audio."
NO_DOWNLOAD = (
    "Download error, unable to download {url}. Please make sure the file exists and is "
    "accessible from the internet."
)
STAND_IN = "Recognised offline by a stand-in, which is less accurate than AssemblyAI."

# This list has at most one pool: start() adds it, stop() removes it.
_pools: list[Pool] = []
_waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
_cache: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()
_cache_lock = threading.Lock()


class JobError(Exception):
    """The job failed. The text of this exception becomes the job's error."""


def start() -> None:
    """Start the worker processes. They load PocketSphinx before the first job."""
    if SHARED_CACHE:
        Path(SHARED_CACHE).mkdir(parents=True, exist_ok=True)
    # Use spawn, because fork is not safe in a process with threads.
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(WORKERS, recogniser.start_worker, (account.folder,))
    _pools.append(pool)
    for _ in range(WORKERS):
        threading.Thread(target=_work, daemon=True).start()


def stop() -> None:
    while _pools:
        # `terminate` waits for a lock. A worker process that was killed can hold this
        # lock forever, so wait only STOP_SECONDS.
        ending = threading.Thread(target=_pools.pop().terminate, daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)
    # Free the pool's semaphores now. Otherwise Python warns about a leak.
    gc.collect()
    account.close()


def submit(job: Job) -> None:
    with account.lock:
        account.jobs[job.id] = job
    timer = threading.Timer(QUEUED_SECONDS * account.pace, _waiting.put, (job,))
    timer.daemon = True
    timer.start()


def _work() -> None:
    while True:
        _process(_waiting.get())


def _process(job: Job) -> None:
    if job.deleted:
        return
    job.status = "processing"
    started = time.monotonic()
    try:
        result = _result(job)
        left = PROCESSING_SECONDS * account.pace - (time.monotonic() - started)
        time.sleep(max(0, left))
        _complete(job, result)
    except JobError as error:
        _end(job, "error", error=str(error))
    except Exception as error:  # a bug here must not stop the queue
        print(f"job {job.id}: {error!r}", flush=True)
        text = "Server error, developers have been alerted."
        _end(job, "error", error=text)
    notify(job)


def _result(job: Job) -> dict[str, Any]:
    with account.lock:
        if account.next_errors:
            raise JobError(account.next_errors.pop(0))
    language = job.request.get("language_code") or "en_us"
    if not language.startswith("en"):
        raise JobError(f"The stand-in recognises English only, not {language}.")
    path, is_upload = _audio(job.request["audio_url"])
    try:
        result = _recognised(path, job.request)
    finally:
        if not is_upload:
            path.unlink()
    if "error" in result:
        raise JobError(result["error"])
    if not result["words"] and job.request.get("language_detection"):
        raise JobError(NO_SPEECH)
    return result


def _audio(url: str) -> tuple[Path, bool]:
    """Return (file, is_upload). The calling code must delete a downloaded file."""
    prefix = f"{account.base_url}/upload/"
    if url.startswith(prefix):
        path = account.uploads.get(url.removeprefix(prefix))
        if path is None:
            raise JobError(NO_DOWNLOAD.format(url=url))
        return path, True
    path = Path(tempfile.mkstemp(dir=account.folder)[1])
    try:
        with requests.Session() as session:
            session.trust_env = False  # ignore proxies and .netrc
            with session.get(url, stream=True, timeout=DOWNLOAD_SECONDS) as answer:
                answer.raise_for_status()
                with path.open("wb") as file:
                    for chunk in answer.iter_content(65536):
                        file.write(chunk)
    except requests.RequestException as error:
        path.unlink()
        raise JobError(NO_DOWNLOAD.format(url=url)) from error
    return path, False


def _recognised(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    names = ("audio_start_from", "audio_end_at", "multichannel")
    options = {name: request.get(name) for name in names}
    options["keyterms_prompt"] = tuple(request.get("keyterms_prompt") or ())
    key = (_digest(path), *options.values())
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    result = _shared(key)
    if result is None:
        task = _pools[0].apply_async(recogniser.recognise, (path, options))
        result = task.get(RECOGNISE_SECONDS)
        _share(key, result)
    with _cache_lock:
        _cache[key] = result
        while len(_cache) > CACHE_SIZE:
            _cache.popitem(last=False)
    return result


def _shared(key: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return the result in the shared folder, or None."""
    if not SHARED_CACHE:
        return None
    try:
        return dict(json.loads(_shared_file(key).read_text()))
    except FileNotFoundError:
        return None


def _share(key: tuple[Any, ...], result: dict[str, Any]) -> None:
    if SHARED_CACHE:
        # Rename the file when it is complete, because another stand-in may read it.
        part = Path(tempfile.mkstemp(dir=SHARED_CACHE)[1])
        part.write_text(json.dumps(result))
        part.replace(_shared_file(key))


def _shared_file(key: tuple[Any, ...]) -> Path:
    return Path(SHARED_CACHE) / hashlib.sha256(repr(key).encode()).hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _complete(job: Job, result: dict[str, Any]) -> None:
    words = wording.formatted(result["words"], job.request, result["is_written"])
    job.words, job.text = words, wording.text_of(words, job.request)
    job.seconds, job.channels = result["seconds"], result["channels"]
    job.warnings = [STAND_IN, *params.warnings(job.request)]
    _end(job, "completed")


def _end(job: Job, status: str, error: str | None = None) -> None:
    with account.lock:
        if job.deleted:
            return
        job.status, job.error, job.completed = status, error, now()
    print(f"job {job.id}: {status} {error or ''}", flush=True)
