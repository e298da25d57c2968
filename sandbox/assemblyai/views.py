"""AssemblyAI's API: uploads and transcripts.

The header Authorization contains only the key, without "Bearer".
"""

import hmac
import json
import shutil
import uuid
from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse

from sandbox.assemblyai import jobs, params, shapes
from sandbox.assemblyai.state import Job, account

View = Callable[..., HttpResponse]
UNAUTHORIZED = "Authentication error, API token missing/invalid"
NO_BALANCE = "Your current account balance is negative. Please top up to continue."
NO_SUCH_ID = "Transcript lookup error, transcript id not found"


def failed(status: int, text: str) -> JsonResponse:
    return JsonResponse({"error": text}, status=status)


def authenticated(*methods: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), account.key.encode()):
                return failed(401, UNAUTHORIZED)
            if request.method not in methods:
                return failed(404, "Not found")
            return view(request, **kwargs)

        return inner

    return decorate


@authenticated("POST")
def upload(request: HttpRequest) -> HttpResponse:
    name = str(uuid.uuid4())
    path = account.folder / name
    with path.open("wb") as file:
        shutil.copyfileobj(request, file, 65536)
    if path.stat().st_size == 0:
        path.unlink()
        return failed(400, "Upload failed, please try again.")
    with account.lock:
        account.uploads[name] = path
    return JsonResponse({"upload_url": f"{account.base_url}/upload/{name}"})


def uploaded(request: HttpRequest, name: str) -> HttpResponse:
    """Refuse to serve an upload: its URL works only inside AssemblyAI."""
    return HttpResponse(
        '<?xml version="1.0" encoding="UTF-8"?>'
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        content_type="application/xml",
        status=403,
    )


@authenticated("GET", "POST")
def transcripts(request: HttpRequest) -> HttpResponse:
    return _create(request) if request.method == "POST" else _list(request)


def _create(request: HttpRequest) -> HttpResponse:
    try:
        body = json.loads(request.body)
    except ValueError:
        return failed(400, "Invalid JSON body")
    if reason := params.refusal(body):
        return failed(400, reason)
    if account.balance_negative:
        return failed(400, NO_BALANCE)
    job = Job(request=body, warnings=params.warnings(body))
    # Make the answer before `submit` starts the job: its status must be "queued".
    data = shapes.transcript(job)
    jobs.submit(job)
    return JsonResponse(data)


def _list(request: HttpRequest) -> HttpResponse:
    query = request.GET
    found = account.newest_first()
    try:
        limit = int(query.get("limit", 10))
        day = date.fromisoformat(query["created_on"]) if "created_on" in query else None
    except ValueError as error:
        return failed(400, str(error))
    if not 1 <= limit <= 200:
        return failed(400, "limit must be between 1 and 200")
    order = [job.id for job in found]
    before, after = query.get("before_id"), query.get("after_id")
    for wanted in (before, after):
        if wanted and wanted not in order:
            return failed(400, NO_SUCH_ID)
    if before and after and order.index(after) < order.index(before):
        return failed(400, "'after_id' must be a newer transcript than 'before_id'")
    if before:
        found = found[order.index(before) + 1 :]
    if after:
        found = [job for job in found if order.index(job.id) < order.index(after)]
    if "status" in query:
        found = [job for job in found if job.status == query["status"]]
    if day:
        found = [job for job in found if job.created.date() == day]
    # With after_id, `found` has the jobs that are newer than the job `after`. They are
    # in the order newest first, so the jobs that directly follow `after` are the last.
    shown = found[-limit:] if after and not before else found[:limit]
    return JsonResponse(
        {
            "page_details": _page_details(request, limit, shown, order),
            "transcripts": [shapes.list_item(job) for job in shown],
        }
    )


def _page_details(
    request: HttpRequest, limit: int, shown: list[Job], order: list[str]
) -> dict[str, Any]:
    base = f"{account.base_url}/v2/transcript"

    def url(name: str, value: str) -> str:
        kept = {k: v for k, v in request.GET.items() if not k.endswith("_id")}
        return f"{base}?{urlencode(kept | {'limit': limit, name: value})}"

    older = bool(shown) and shown[-1].id != order[-1]
    newer = bool(shown) and shown[0].id != order[0]
    return {
        "limit": limit,
        "result_count": len(shown),
        "current_url": account.base_url + request.get_full_path(),
        # As in AssemblyAI's API, prev is the page of older transcripts.
        "prev_url": url("before_id", shown[-1].id) if older else None,
        "next_url": url("after_id", shown[0].id) if newer else None,
    }


@authenticated("GET", "DELETE")
def transcript(request: HttpRequest, job_id: str) -> HttpResponse:
    job = account.jobs.get(job_id)
    if job is None:
        return failed(400, NO_SUCH_ID)
    if request.method == "DELETE":
        with account.lock:
            job.deleted, job.status = True, "completed"
            upload = account.uploads.pop(job.request["audio_url"].split("/")[-1], None)
            if upload:
                upload.unlink(missing_ok=True)
    return JsonResponse(shapes.transcript(job))


def unknown(request: HttpRequest) -> HttpResponse:
    return failed(404, "Not found")
