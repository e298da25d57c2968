"""Requests to AssemblyAI's REST API. No other module sends requests to AssemblyAI.

Refusals and network errors are raised as AssemblyAIError. The API is described at
assemblyai.com/docs/api-reference.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from datetime import timezone as tz
from functools import lru_cache
from itertools import chain, count, takewhile
from math import isfinite
from typing import IO, Any

import requests
from django.conf import settings

from djtranscribe.vendors.deadlines import AnswerTooLarge, LimitedSession
from djtranscribe.vendors.errors import VendorError, never_sent, retry_after_seconds

# (connect, read), in seconds. The sum is the limit for the whole request. In an upload,
# each piece that is sent restarts this limit.
TIMEOUT_SECONDS = (3.05, 30)
# Number of jobs on a page of AssemblyAI's list. AssemblyAI allows at most this number.
JOBS_PER_PAGE = 200
# A search for one job reads at most this many pages: 40,000 jobs. If twenty phone
# calls are transcribed per second, these are the jobs of half an hour.
LIST_PAGES = 200

# AssemblyAI's error for a job that does not exist, or belongs to another account.
UNKNOWN_ID = "transcript id not found"
KEY_REFUSED = (
    "AssemblyAI does not accept our key. Compare ASSEMBLYAI_KEY with the key in "
    "AssemblyAI's dashboard."
)


class AssemblyAIError(VendorError):
    """A request to AssemblyAI failed.

    reason: AssemblyAI's sentence about a refused request, or "".
    refused_at: when AssemblyAI first refused this transcript. None if our settings do
    not seem to be the cause.
    """

    vendor = "assemblyai"
    reason = ""
    refused_at: datetime | None = None


@lru_cache(maxsize=4)
def _session(api_url: str) -> requests.Session:
    return LimitedSession(sum(TIMEOUT_SECONDS), api_url)


def upload(file: IO[bytes] | Iterable[bytes]) -> str:
    """Stream the audio and return its `upload_url`, valid for 24 hours.

    assemblyai.com/docs/api-reference/files/upload
    """
    answer = _request(
        "POST",
        "upload",
        data=file,
        headers={"Content-Type": "application/octet-stream"},
    )
    return _text(answer, "upload_url")


def submit(body: dict[str, Any]) -> dict[str, Any]:
    """Start a job and return it. Not idempotent: each job that succeeds costs money."""
    answer = _request("POST", "transcript", json=body)
    _text(answer, "id")
    return answer


def fetch(assemblyai_id: str) -> dict[str, Any]:
    """Return a job as AssemblyAI sends it."""
    return _request("GET", f"transcript/{assemblyai_id}")


def delete(assemblyai_id: str) -> None:
    """Delete the text and the upload of a job. Does nothing if the job does not exist.

    AssemblyAI keeps an entry without content.
    assemblyai.com/docs/api-reference/transcripts/delete
    """
    try:
        _request("DELETE", f"transcript/{assemblyai_id}")
    except AssemblyAIError as error:
        # Ignore only the error for an unknown id. Another 404 can mean that the API's
        # URL is wrong, and then nothing was deleted.
        if UNKNOWN_ID not in error.message:
            raise


def list_jobs(since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Yield the account's jobs, newest first: all, or those made since `since`."""
    return chain.from_iterable(job_pages(since))


def job_pages(
    since: datetime | None = None, most_pages: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of jobs, newest first: all jobs, or those made since `since`.

    Raises AssemblyAIError if these jobs need more than `most_pages` pages. If
    `most_pages` is None, there is no limit.
    """
    # Compare the times as text, because all times in the list are in UTC and have the
    # same format. A job without a time counts as new.
    begin = since.astimezone(tz.utc).strftime("%Y-%m-%dT%H:%M:%S") if since else ""
    params: dict[str, str | int] = {"limit": JOBS_PER_PAGE}
    for _ in range(most_pages) if most_pages else count():
        page = _request("GET", "transcript", params=params).get("transcripts") or []
        new = takewhile(
            lambda job: not "" < str(job.get("created") or "") < begin, page
        )
        wanted = list(new)
        yield wanted
        if len(wanted) < len(page) or not page:
            return
        params["before_id"] = page[-1]["id"]
    raise AssemblyAIError("AssemblyAI's list of jobs is too long to be read.")


def _request(method: str, path: str, **options: Any) -> dict[str, Any]:
    if not settings.ASSEMBLYAI_KEY:
        raise AssemblyAIError(KEY_REFUSED, permanent=True, account=True)
    url = settings.ASSEMBLYAI_API_URL.rstrip("/")
    headers = {"Authorization": settings.ASSEMBLYAI_KEY, **options.pop("headers", {})}
    with translate_errors():
        answer = _session(url).request(
            method,
            f"{url}/v2/{path}",
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            **options,
        )
        if answer.status_code != requests.codes.ok:
            raise _refusal(answer)
        body = _storable(answer.json())
    if not isinstance(body, dict):
        raise _unreadable_answer()
    return body


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn network errors and unreadable responses into AssemblyAIError."""
    try:
        yield
    except (requests.JSONDecodeError, AnswerTooLarge) as error:
        raise _unreadable_answer() from error
    except requests.RequestException as error:
        if never_sent(error):
            message = "AssemblyAI could not be reached; nothing was sent to it."
            raise AssemblyAIError(message) from error
        message = "AssemblyAI did not answer in time."
        raise AssemblyAIError(message, maybe_done=True) from error


def _refusal(answer: requests.Response) -> AssemblyAIError:
    status = answer.status_code
    try:
        reason = str(_storable(answer.json())["error"])[:500]
    except (ValueError, KeyError, TypeError):
        reason = ""
    if status == requests.codes.unauthorized:
        return AssemblyAIError(KEY_REFUSED, permanent=True, account=True, code=status)
    if "balance is negative" in reason:
        message = "The balance of our AssemblyAI account is negative. Please top it up."
        return AssemblyAIError(message, permanent=True, account=True, code=status)
    if status == requests.codes.too_many_requests:
        wait = retry_after_seconds(answer.headers.get("Retry-After"))
        message = "AssemblyAI is busy with our earlier requests."
        return AssemblyAIError(
            message, account=bool(wait), retry_after=wait, code=status
        )
    if status >= 500 or status < 400:
        what = "an internal error" if status >= 500 else "an unexpected response"
        message = f"AssemblyAI answered with {what} (HTTP status {status})."
        return AssemblyAIError(message, maybe_done=True, code=status)
    message = (
        f"AssemblyAI refused (HTTP status {status}): {reason or 'no reason given'}"
    )
    error = AssemblyAIError(message, permanent=True, code=status)
    error.reason = reason
    return error


def _storable(value: Any) -> Any:
    """Remove what a database rejects: NUL, lone surrogates, NaN and infinity."""
    if isinstance(value, dict):
        return {_storable(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    return None if isinstance(value, float) and not isfinite(value) else value


def _text(answer: dict[str, Any], key: str) -> str:
    if not (isinstance(answer.get(key), str) and answer[key]):
        raise _unreadable_answer()
    return str(answer[key])


def _unreadable_answer() -> AssemblyAIError:
    return AssemblyAIError(
        "AssemblyAI's answer could not be understood.", maybe_done=True
    )
