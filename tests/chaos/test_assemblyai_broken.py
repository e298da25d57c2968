"""AssemblyAI answers a request with an error, does not answer, or resets it."""

from datetime import datetime, timezone
from html import unescape
from itertools import pairwise

import pytest

from tests.chaos.databases import moment
from tests.chaos.house import House, new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

# Longer than the backoff after two failures: only Retry-After makes us wait so long.
RETRY_AFTER_SECONDS = 20
# The wait after the first failure is 5 s, plus or minus a quarter. See BACKOFF_SECONDS
# in transcription.models.work.
FIRST_BACKOFF_SECONDS = (3.75, 6.25)
# The same as PROBE_INTERVAL in djtranscribe.vendors.models.
PROBE_SECONDS = 30
# Longer than our client waits for an answer (30 s).
SILENCE_SECONDS = 40
FAULTS = {
    "silence": {"hang": SILENCE_SECONDS},
    "silence after it was done": {"hang_after": SILENCE_SECONDS},
    "500": {"status": 500, "body": {"error": "Internal server error"}},
    "503": {"status": 503, "body": {"error": "Server error"}},
    "429": {
        "status": 429,
        "body": {"error": "Too many requests"},
        "headers": {"Retry-After": str(RETRY_AFTER_SECONDS)},
    },
    "reset": {"reset": True},
    "reset after it was done": {"reset_after": True},
    "html": {"html": True},
}
REQUESTS = ["POST /v2/upload$", "POST /v2/transcript$", "GET /v2/transcript/"]
# After a POST without an answer, this request asks if AssemblyAI has the job.
LIST = "GET /v2/transcript$"


def at(request: dict) -> datetime:
    return datetime.fromisoformat(request["at"])


def test_calls_are_transcribed_and_paid_once_despite_assemblyai_failures(
    new_house, counted
):
    house = new_house()
    house.start_web()
    house.start_worker(threads=8)
    stand_in = house.assemblyai
    # Each fault hits one request of each kind. Which phone call it hits is random.
    for request in [*REQUESTS, LIST]:
        for do in FAULTS.values():
            stand_in.fault(request, **do)
    numbers = [new_number() for _ in FAULTS]

    for number in numbers:
        house.dial(number)
    for number in numbers:
        house.completed(number)

    hit = stand_in.hits()
    waits = waited_after_429(house)
    asked = len(stand_in.requests("POST /v2/transcript$"))
    counted(
        f"AssemblyAI failed {hit} requests in {len(FAULTS)} ways: {len(numbers)} "
        f"transcripts, {len(numbers)} jobs of {asked} POSTs; after Retry-After: "
        f"{RETRY_AFTER_SECONDS}, waited {', '.join(f'{wait:.1f}' for wait in waits)} s"
    )
    assert hit == len(FAULTS) * (len(REQUESTS) + 1)
    assert len(waits) == len(REQUESTS)
    assert all(RETRY_AFTER_SECONDS <= wait < float("inf") for wait in waits), waits
    house.assert_right(*numbers)


def waited_after_429(house) -> list[float]:
    """Return the seconds from each 429 until the same request is sent again.

    LIST is left out: its requests do not show which transcript they are for.
    """
    waits = []
    for request in REQUESTS:
        everything = house.assemblyai.requests(request)
        for refused in everything:
            if refused["status"] != 429:
                continue
            later = [
                at(other)
                for other in everything
                if other["n"] > refused["n"] and same_row(other, refused)
            ]
            wait = (min(later) - at(refused)).total_seconds() if later else float("inf")
            waits.append(wait)
    return waits


def same_row(one: dict, other: dict) -> bool:
    if one["path"].endswith("/upload"):
        return one["body"] == other["body"]
    if one["method"] == "POST":
        return (one["body"] or {}).get("audio_url") == other["body"]["audio_url"]
    return one["path"] == other["path"]


def test_rows_that_failed_together_are_not_tried_again_together(new_house, counted):
    house = new_house()
    house.start_web()
    house.start_worker()
    numbers = [new_number() for _ in range(4)]
    house.assemblyai.fault("POST /v2/upload$", times=None, status=503)

    for number in numbers:
        house.dial(number)
    shown: dict[str, str] = {}
    at_most: dict[str, float] = {}

    def each_has_failed() -> bool:
        for number in set(numbers) - shown.keys():
            if house.attempts(number):
                (row,) = house.transcripts(number)
                due = moment(row["next_attempt_at"]) - datetime.now(timezone.utc)
                # The row may have failed more than once by now. Each retry doubles the
                # wait, so compute the first wait.
                at_most[number] = due.total_seconds() / 2 ** (row["attempts"] - 1)
                shown[number] = house.page_of(number)
        return len(shown) == len(numbers)

    until("each row failed", each_has_failed)
    house.assemblyai.clear_faults()
    for number in numbers:
        house.completed(number)
    # Group the uploads by their audio: the four calls have four different clips.
    uploads: dict[str, list[datetime]] = {}
    for request in house.assemblyai.requests("POST /v2/upload$"):
        uploads.setdefault(request["body"]["sha256"], []).append(at(request))
    first = [(times[1] - times[0]).total_seconds() for times in uploads.values()]

    counted(
        f"AssemblyAI 503 at {len(first)} uploads at once: second tries after "
        f"{', '.join(f'{wait:.1f}' for wait in first)} s"
    )
    low, high = FIRST_BACKOFF_SECONDS
    # `first` has no upper limit: a busy machine starts a retry late.
    assert all(wait >= low for wait in first), first
    assert all(wait <= high for wait in at_most.values()), at_most
    assert len({round(wait, 1) for wait in first}) > 1
    failed = "AssemblyAI answered with an internal error"
    assert any(failed in page for page in shown.values())
    house.assert_right(*numbers)


def test_a_refused_key_and_a_negative_balance_pause_the_queue_and_fail_no_row(
    new_house, counted
):
    house = new_house()
    house.start_web()
    numbers = [new_number() for _ in range(4)]
    paused = {}

    def pause() -> dict:
        found = house.database.rows("SELECT * FROM djtranscribe_vendorpause")
        return found[0] if found else {}

    def look(kind: str) -> None:
        until(f"the queue pauses: {kind}", pause)
        until(
            "all rows wait",
            lambda: all(waits_for_us(house, n) for n in numbers),
        )
        health = house.health()
        assert health.status_code == 503
        assert health.json()["paused"] == {"assemblyai": pause()["reason"]}
        admin = house.page("/admin/djtranscribe/vendorpause/")
        assert pause()["reason"] in unescape(admin)
        paused[kind] = pause()["reason"]

    house.assemblyai.account(key="another key")
    numbers, all_numbers = numbers[:3], numbers
    for number in numbers:
        house.dial(number)
    # Start the worker only now. Between the first refusal and `before` (below), no
    # probe may be sent.
    house.start_worker()
    look("401")
    # Dial a fourth call. It must wait without a request to AssemblyAI.
    before = len(refused_uploads(house))
    numbers = all_numbers
    house.dial(numbers[-1])
    until("the fourth waits", lambda: waits_for_us(house, numbers[-1]))
    # Accept the key again, but make the balance negative: a new reason for the pause.
    house.assemblyai.account(key=None, balance_negative=True)
    until("the reason changed", lambda: "balance" in pause().get("reason", ""))
    look("balance")
    statuses = {number: house.status(number) for number in numbers}
    house.assemblyai.account(balance_negative=False)
    for number in numbers:
        house.completed(number)

    posts = house.assemblyai.requests("POST /v2/transcript$")
    accepted = [post for post in posts if post["status"] == 200]
    refused = refused_uploads(house)
    waits = [(b - a).total_seconds() for a, b in pairwise(refused[before - 1 :])]
    counted(
        f"AssemblyAI 401, then negative balance: {before} refused before the pause, "
        f"{len(waits)} probes amid it; no row failed "
        f"({', '.join(sorted(statuses.values()))}), {len(accepted)} jobs for "
        f"{len(numbers)} calls, {len(posts) - len(accepted)} refused POSTs"
    )
    assert "key" in paused["401"]
    assert "balance" in paused["balance"]
    assert "error" not in statuses.values()
    assert before <= len(all_numbers) - 1
    assert all(wait >= PROBE_SECONDS - 1 for wait in waits), waits
    assert len(accepted) == len(numbers)
    house.assert_right(*numbers)
    assert not pause()
    assert house.health().status_code == 200


def refused_uploads(house: House) -> list[datetime]:
    uploads = house.assemblyai.requests("POST /v2/upload$")
    return [at(upload) for upload in uploads if upload["status"] == 401]


def waits_for_us(house: House, number: str) -> bool:
    """Return whether the transcript waits because AssemblyAI refuses our account."""
    rows = house.transcripts(number)
    return bool(rows) and rows[0]["error_class"] == "account"


FINISHED = ("completed", "error")
AGAIN = "right text by a second job"
EMPTY = "completed, empty"
FINAL = "final, the reason on the page"
# {error of the first job of AssemblyAI: how the transcript ends}
ENDS = {
    "Download error, unable to download the file. Please make sure it exists.": AGAIN,
    "Cannot access uploaded file. Please upload it again.": AGAIN,
    "Server error, developers have been alerted.": AGAIN,
    "language_detection cannot be performed on files with no spoken audio.": EMPTY,
    "File does not appear to contain audio. File type is text/html.": FINAL,
}


def test_a_job_that_ends_in_an_error_is_tried_again_or_empty_or_final(
    new_house, counted
):
    house = new_house()
    house.start_web()
    house.start_worker()
    outcomes = []

    for reason, end in ENDS.items():
        # Dial one call at a time, because the error hits the next job of any call.
        house.assemblyai.next_error(reason)
        number = new_number()
        house.dial(number)
        until("it is finished", lambda n=number: house.status(n) in FINISHED)
        (transcript,) = house.transcripts(number)
        errors = [job["error"] for job in house.assemblyai.jobs_of(transcript)]
        assert errors == ([reason, None] if end == AGAIN else [reason])
        if end == AGAIN:
            house.assert_right(number, jobs=2)
        elif end == EMPTY:
            assert transcript["status"] == "completed"
            assert transcript["text"] == ""
            assert transcript["error_class"] == "no-speech"
        else:
            assert transcript["status"] == "error"
            assert reason in transcript["error"]
            assert "File type is text/html" in house.page_of(number)
        outcomes.append(f"{reason.split('.')[0][:30]}… {end}")
    counted(f"jobs that ended in error: {'; '.join(outcomes)}")


def test_an_upload_that_is_gone_after_a_day_is_uploaded_again(new_house, counted):
    house = new_house()
    house.start_web()
    house.start_worker()
    old, lost = numbers = [new_number(), new_number()]

    # First, AssemblyAI accepts the audio but no job, and both uploads are deleted. Then
    # it accepts jobs. The worker must upload both again: `old` before it asks for a
    # job, because the upload is too old, and `lost` after a job has failed.
    house.assemblyai.fault("POST /v2/transcript$", times=None, status=503)
    for number in numbers:
        house.dial(number)
    until("no job was taken", lambda: {*map(house.status, numbers)} == {"lost"})
    # Delete the uploads before the UPDATE. After the UPDATE, the worker can upload
    # `old` again, and this new upload must not be deleted.
    house.assemblyai.control("DELETE", "uploads")
    house.database.execute(
        "UPDATE transcription_transcript SET uploaded_at = %s WHERE id = %s",
        "2026-01-01 00:00:00+00:00",
        house.transcripts(old)[0]["id"],
    )
    house.assemblyai.clear_faults()
    for number in numbers:
        house.completed(number)

    uploads = len(house.assemblyai.requests("POST /v2/upload$"))
    counted(
        f"uploads gone: {uploads} uploads for 2 calls; 1 job for the one that was 24 h "
        "old, 2 for the one whose first job found nothing"
    )
    house.assert_right(old)
    house.assert_right(lost, jobs=2)
    assert uploads == 2 * len(numbers)
