"""`manage.py reconcile` with real stand-ins: run until nothing is left to repair."""

import re

import pytest

from tests.chaos.house import House, new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

# A line of the command's table: name, number of rows, missing, repaired.
LINE = re.compile(r"^(\w.*?) +(\d+) +(\d+) +(\d+)$", re.MULTILINE)


def reconcile(house: House) -> tuple[dict[str, tuple[int, int]], bool]:
    """Run the command. Return {name: (missing, repaired)}, and whether it is quiet.

    Quiet: nothing is missing, nothing was repaired, and nothing is being worked on.
    """
    said = house.manage("reconcile")
    table = LINE.findall(said)
    assert len(table) == 4, table
    rows = {name: (int(missing), int(done)) for name, _, missing, done in table}
    is_quiet = not any(missing for missing, _ in rows.values())
    moves = "would soon have come" in said or "being worked on" in said
    return rows, is_quiet and not moves


def test_reconcile_repairs_missed_webhooks_and_has_nothing_left_to_repair(
    new_house, counted
):
    house = new_house(RECOVER_SECONDS="90")
    twilio, assemblyai = house.twilio, house.assemblyai
    assemblyai.webhooks("lost")
    house.start_web()
    worker = house.start_worker()
    # AssemblyAI starts two jobs, but its answers are lost:
    # - `submitting`: the worker is killed during the POST.
    # - `lost`: the connection breaks during the POST.
    # The list of jobs, where the worker could find both jobs, fails with 503.
    assemblyai.fault("GET /v2/transcript$", times=None, status=503)
    submitting, lost, *heard_of = numbers = [new_number() for _ in range(4)]
    hold = house.to_assemblyai.hold("POST /v2/transcript ")
    house.dial(submitting)
    until("a job is asked for", hold.reached.is_set)
    assemblyai.fault("POST /v2/transcript$", reset_after=True)
    house.dial(lost)
    until("its answer is lost", lambda: house.status(lost) == "lost")
    # From here on, only the command can repair rows.
    worker.kill()
    assemblyai.clear_faults()
    assert house.status(submitting) == "submitting"
    # End the killed worker's leases, because the command skips leased rows.
    house.database.execute(
        "UPDATE transcription_transcript SET leased_until = '2026-01-01 00:00:00+00:00'"
        " WHERE lease IS NOT NULL"
    )
    # Twilio's webhooks about the calls below are lost. For the last call, even the
    # answer to our request is lost.
    twilio.webhooks("lost")
    engaged = {"answered": new_number(fate="0002"), "cut": new_number(fate="0002")}
    for number in (*heard_of, engaged["answered"]):
        house.dial(number)
    twilio.fault("POST /Calls.json$", reset_after=True)
    house.dial(engaged["cut"])
    assert house.call(engaged["cut"])["status"] == "unknown"
    until(
        "all are over",
        lambda: all(is_over(house, n) for n in (*heard_of, *engaged.values())),
    )

    runs: list[dict[str, tuple[int, int]]] = []

    def nothing_is_missing() -> bool:
        rows, is_quiet = reconcile(house)
        runs.append(rows)
        return is_quiet

    until("nothing is missing", nothing_is_missing)
    once_more, _ = reconcile(house)
    adopted = {number: house.status(number) for number in (submitting, lost)}
    waiting = {house.status(number) for number in heard_of}
    house.start_worker()
    for number in numbers:
        house.completed(number)

    repaired = {name: sum(run[name][1] for run in runs) for name in (*runs[0],)}
    counted(
        f"reconcile, run {len(runs)} times: repaired {repaired}; once more: "
        f"{sum(count for _, count in once_more.values())}; jobs whose answer was lost: "
        f"{', '.join(adopted.values())}"
    )
    assert once_more == dict.fromkeys(once_more, (0, 0))
    assert set(adopted.values()) == {"completed"}
    assert waiting == {"pending"}
    for number in engaged.values():
        call = house.call(number)
        assert (call["status"], call["sid"]) == ("busy", twilio.call_to(number)["sid"])
        assert len(twilio.posts_to(number)) == 1
    for number in numbers:
        (transcript,) = house.transcripts(number)
        assert len(assemblyai.posts_of(transcript["audio_url"])) == 1
    house.assert_right(*numbers)


def is_over(house: House, number: str) -> bool:
    """Return whether the call and its recordings have ended at Twilio."""
    call = house.twilio.call_to(number)
    if not call or call["status"] not in ("busy", "completed"):
        return False
    return all(one["status"] == "completed" for one in call["recordings"])
