"""The clock of our machine jumps by an hour; the vendors' clocks go on."""

import shutil
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.chaos.house import House, new_number
from tests.chaos.test_dial_broken import CLOCK_SKEW, dial_and_be_cut_off, let_time_pass
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).with_name("clock.c")
HOUR = 3600
RECOVER_SECONDS = 9
# Recovery, one backoff, and a start of the worker.
WITHIN_SECONDS = 25


class Clock:
    """What our processes take for the time of day; time.monotonic stays as it is."""

    def __init__(self, folder: Path, compiler: str) -> None:
        self.file = folder / "clock"
        self.jump(0)
        library = folder / "clock.so"
        command = [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True)
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self.file)}

    def jump(self, seconds: int) -> None:
        # In one piece: a reader must not see half of it.
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler, which clock.c needs")
    return Clock(tmp_path, compiler)


def hours_off(house: House, number: str) -> float:
    """Between our clock, as this call's row has it, and the true one."""
    created = house.call(number)["created_at"]
    at = created if isinstance(created, datetime) else datetime.fromisoformat(created)
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return (at - datetime.now(timezone.utc)).total_seconds() / HOUR


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_leases_waits_and_checks_survive_a_clock_that_jumps_by_an_hour(
    new_house, counted, clock, jump
):
    house = new_house(
        LEASE_SECONDS="5", RECOVER_SECONDS=str(RECOVER_SECONDS), **clock.environ
    )
    house.start_web()
    worker = house.start_worker(threads=6)
    leased, waiting, polled, unheard = numbers = [new_number() for _ in range(4)]
    hold = house.to_assemblyai.hold("POST /v2/upload", of_request=1000)
    house.dial(leased)
    until("a worker holds the lease", hold.reached.is_set)
    house.assemblyai.fault("POST /v2/upload$", status=503)
    house.dial(waiting)
    until("it waits", lambda: house.attempts(waiting))
    house.assemblyai.webhooks("lost")
    house.dial(polled)
    until("the job runs", lambda: house.status(polled) == "queued")
    house.twilio.webhooks("lost")
    house.dial(unheard)
    until(
        "it was recorded",
        lambda: house.twilio.call_to(unheard)["status"] == "completed",
    )
    assert not house.transcripts(unheard)

    clock.jump(jump)
    # As a machine that was suspended: the worker that held the lease is gone.
    worker.kill()
    house.start_worker(threads=6)

    began = time.monotonic()
    names = ("leased", "backing off", "polled", "call unheard of")
    took = dict.fromkeys(names, "not done")
    while "not done" in took.values() and time.monotonic() < began + WITHIN_SECONDS:
        for name, number in zip(names, numbers, strict=True):
            if took[name] == "not done" and house.status(number) == "completed":
                took[name] = f"done within {time.monotonic() - began:.1f} s"
        time.sleep(0.1)
    probe = new_number()
    house.twilio.webhooks("normal")
    house.dial(probe)
    house.completed(probe)
    counted(
        f"clock jumped by {jump:+d} s: "
        + ", ".join(f"{name}: {took[name]}" for name in took)
    )
    assert "not done" not in took.values(), took
    assert round(hours_off(house, probe)) == jump / HOUR, "the clock did not jump"
    house.assert_right(*numbers, probe)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_with_a_clock_an_hour_off_a_lost_answer_is_still_found_at_the_vendor(
    new_house, counted, clock, jump
):
    house = new_house(RECOVER_SECONDS=str(RECOVER_SECONDS), **clock.environ)
    clock.jump(jump)
    web = house.start_web()
    house.start_worker()
    lost, dialled = new_number(), new_number(fate="0002")

    house.assemblyai.fault("POST /v2/transcript$", reset_after=True)
    house.dial(lost)
    house.completed(lost, 40)
    # Twilio placed the call, its answer and its webhooks are lost.
    house.twilio.webhooks("lost")
    hold = house.to_twilio.hold("POST .*/Calls.json")
    dial_and_be_cut_off(house, dialled)
    until("Twilio placed the call", hold.reached.is_set)
    until(
        "the line was engaged",
        lambda: house.twilio.call_to(dialled)["status"] == "busy",
    )
    web.kill()
    house.start_web()
    let_time_pass(house, dialled, CLOCK_SKEW)
    until("it is settled", lambda: house.call(dialled)["status"] != "dialing", 20)

    (transcript,) = house.transcripts(lost)
    posts = len(house.assemblyai.posts_of(transcript["audio_url"]))
    call = house.call(dialled)
    counted(
        f"clock {jump:+d} s off: answer to POST /v2/transcript lost, {posts} POSTs; "
        f"answer to dialling lost, Twilio says busy, we say {call['status']}"
    )
    assert round(hours_off(house, lost)) == jump / HOUR, "the clock did not jump"
    assert posts == 1
    assert call["status"] == "busy"
    house.assert_right(lost)
