"""Send AssemblyAI's webhook: a job's id and status, and one static header.

There are at most ten attempts. A 2xx or 4xx response stops the retries.
"""

import time

import requests

from sandbox.assemblyai.state import Job, account
from sandbox.web import evidence

MAX_ATTEMPTS = 10
RETRY_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0


def notify(job: Job) -> None:
    url = job.request.get("webhook_url")
    if url and not job.deleted:
        body = {"transcript_id": job.id, "status": job.status}
        evidence.postman.post(job.id, url, body, lambda: _deliver(job, url, body))


def _deliver(job: Job, url: str, body: dict[str, str]) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        status, error = _post(job, url, body)
        evidence.postman.note(url, body, attempt, status=status, error=error)
        if status is not None:
            job.webhook_status_code = status
            if 200 <= status < 300 or 400 <= status < 500:
                return
        if attempt < MAX_ATTEMPTS:
            time.sleep(_retry_seconds())


def _retry_seconds() -> float:
    seconds = evidence.postman.settings["retry_seconds"]
    return RETRY_SECONDS * account.pace if seconds is None else float(seconds)


def _post(job: Job, url: str, body: dict[str, str]) -> tuple[int | None, str | None]:
    headers = {}
    if name := job.request.get("webhook_auth_header_name"):
        headers[name] = job.request["webhook_auth_header_value"]
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                url,
                json=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        return None, str(error)
    return answer.status_code, None
