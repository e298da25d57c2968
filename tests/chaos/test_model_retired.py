"""AssemblyAI retires a model that our settings name, while transcripts are running."""

import subprocess
import sys
from typing import Any

import pytest

from tests.chaos.environment import ROOT
from tests.chaos.house import House, new_number
from tests.chaos.waiting import until
from transcription.assemblyai.speech_models import CHECKED_ON

pytestmark = pytest.mark.slow

OLD = "universal-3-5-pro,universal-2"
NEW = "assemblyai-stt-3-7,universal-2"


def pauses(house: House) -> list[dict[str, Any]]:
    return house.database.rows("SELECT * FROM djtranscribe_vendorpause")


def waits(house: House, number: str) -> bool:
    rows = house.transcripts(number)
    return bool(rows) and rows[0]["error_class"] == "account"


def posts(house: House, status: int) -> list[dict[str, Any]]:
    """Return the POST requests for jobs that got this HTTP status."""
    asked = house.assemblyai.requests("POST /v2/transcript$")
    return [each for each in asked if each["status"] == status]


def doctor(house: House) -> str:
    command = [sys.executable, "manage.py", "doctor", "--no-color"]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=house.environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout


def told_everywhere(house: House, *words: str) -> None:
    health = house.health()
    assert health.status_code == 503
    (pause,) = pauses(house)
    assert health.json()["paused"] == {"assemblyai": pause["reason"]}
    for text in (
        pause["reason"],
        house.page("/admin/djtranscribe/vendorpause/").replace("&quot;", '"'),
        doctor(house),
    ):
        for word in words:
            assert word in text, (word, text)


def restart(house: House, worker: Any, models: str) -> Any:
    worker.kill()
    house.environ["SPEECH_MODELS"] = models
    return house.start_worker()


def test_a_model_retired_amid_the_work_fails_no_row_and_costs_no_second_job(
    new_house, counted
):
    house = new_house(SPEECH_MODELS=OLD)
    house.start_web()
    worker = house.start_worker()
    before = new_number()
    house.dial(before)
    until("one has its job", lambda: posts(house, 200))

    house.assemblyai.account(retired_models=["universal-3-5-pro"])
    after = [new_number() for _ in range(3)]
    for number in after:
        house.dial(number)
    until("the rest waits", lambda: all(waits(house, number) for number in after))
    # A transcript that already has a job is completed during the pause.
    house.completed(before)
    told_everywhere(
        house,
        "Change SPEECH_MODELS",
        'Use speech_models: ["assemblyai-stt-3-7", "universal-2"] instead',
    )
    assert CHECKED_ON.isoformat() in doctor(house)
    assert f"models {OLD.replace(',', ', ')}." in doctor(house)
    refused = len(posts(house, 400))
    until("a probe is refused, too", lambda: len(posts(house, 400)) > refused)
    statuses = {number: house.status(number) for number in after}

    restart(house, worker, NEW)
    for number in after:
        house.completed(number)

    counted(
        f"model retired: {len(posts(house, 400))} refused POSTs, no row failed "
        f"({', '.join(sorted(set(statuses.values())))}), after the restart "
        f"{len(posts(house, 200))} jobs for {1 + len(after)} calls"
    )
    assert "error" not in statuses.values()
    house.assert_right(before, *after)
    assert len(posts(house, 200)) == 1 + len(after)
    assert not pauses(house)
    assert house.health().status_code == 200


def test_a_model_that_is_refused_in_the_result_fails_no_row(new_house, counted):
    house = new_house(SPEECH_MODELS=OLD)
    house.start_web()
    worker = house.start_worker()
    reason = 'The "universal-3-5-pro" speech model is not available any more.'
    house.assemblyai.next_error(reason, times=50)
    numbers = [new_number() for _ in range(2)]
    for number in numbers:
        house.dial(number)
    until("both wait", lambda: all(waits(house, number) for number in numbers))
    told_everywhere(house, "Change SPEECH_MODELS", "not available any more")
    failed = len(house.assemblyai.jobs())
    until("a probe fails, too", lambda: len(house.assemblyai.jobs()) > failed)

    house.assemblyai.control("DELETE", "next-error")
    restart(house, worker, NEW)
    for number in numbers:
        house.completed(number)

    good = []
    for number in numbers:
        (transcript,) = house.transcripts(number)
        jobs = house.assemblyai.jobs_of(transcript)
        good.append([job["status"] for job in jobs].count("completed"))
    counted(f"model refused in the result: jobs that were paid for each call: {good}")
    assert good == [1, 1]
    assert not pauses(house)
    assert house.health().status_code == 200
