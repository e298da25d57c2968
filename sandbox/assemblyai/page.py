"""The stand-in's web page, its jobs as JSON, and its switches for tests."""

from collections import Counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sandbox.assemblyai.jobs import STAND_IN
from sandbox.assemblyai.shapes import time, transcript
from sandbox.assemblyai.state import RETIRED_MODELS, account
from sandbox.web import evidence
from sandbox.web.control import answer, listed, posted

SHOWN = 30


def index(request: HttpRequest) -> HttpResponse:
    found = account.newest_first()
    counts = Counter(
        f"{entry['method']} {_kind(entry['path'])} {entry['status'] or 'no answer'}"
        for entry in evidence.requests.list()
        if entry["path"].startswith("/v2/")
    )
    return render(
        request,
        "assemblyai.html",
        {
            "stand_in": STAND_IN,
            "jobs": found[:SHOWN],
            "hidden": max(0, len(found) - SHOWN),
            "counts": sorted(counts.items()),
            "deliveries": list(evidence.postman.deliveries)[: -SHOWN - 1 : -1],
            "pace": account.pace,
            "balance_negative": account.balance_negative,
            "retired_models": sorted(account.retired_models),
        },
    )


def _kind(path: str) -> str:
    return "/v2/transcript/{id}" if path.startswith("/v2/transcript/") else path


def jobs(request: HttpRequest) -> HttpResponse:
    """Return all jobs, oldest first: API fields plus `created` and `completed`."""
    return answer(
        [
            {"created": time(job.created), "completed": time(job.completed)}
            | transcript(job)
            for job in reversed(account.newest_first())
        ]
    )


@posted
def settings(body: dict[str, Any]) -> Any:
    """Change the account while the stand-in runs.

    ``balance_negative``: true to refuse new jobs.
    ``key``: the API key to accept; null restores ASSEMBLYAI_KEY.
    ``retired_models``: names of models to refuse; null restores the default.
    """
    unknown = set(body) - {"balance_negative", "key", "retired_models"}
    if unknown:
        raise ValueError(f"unknown setting: {', '.join(sorted(unknown))}")
    if "balance_negative" in body:
        account.balance_negative = bool(body["balance_negative"])
    if "key" in body:
        account.key = body["key"] or account.first_key
    if "retired_models" in body:
        names = body["retired_models"]
        if names is not None and not isinstance(names, list):
            raise ValueError("retired_models is a list of names, or null")
        account.retired_models = RETIRED_MODELS if names is None else names
    return {
        "balance_negative": account.balance_negative,
        "retired_models": sorted(account.retired_models),
    }


def next_error(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":

        def add(body: dict[str, Any]) -> Any:
            with account.lock:
                account.next_errors += [str(body["error"])] * int(body.get("times", 1))
                return account.next_errors

        return posted(add)(request)
    errors = account.next_errors
    return listed(lambda: list(errors), errors.clear)(request)


uploads = listed(lambda: sorted(account.uploads), account.forget_uploads)
