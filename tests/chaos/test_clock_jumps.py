"""The clock of our machine jumps by an hour. The vendors' clocks stay correct."""

import shutil
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.chaos.databases import moment
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.house import House, new_number
from tests.chaos.test_dial_broken import (
    LISTING_DELAY,
    dial_and_be_cut_off,
    ended_as,
    let_time_pass,
    settled,
)
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).with_name("clock.c")
HOUR = 3600
# Every call must be done within this time: much less than the jump, but enough for
# a slow machine.
WITHIN_SECONDS = 300
# The clock jumps during a request. The answer to that request takes this long. Before
# it arrives, another thread must take the row over. It is less than LEASE_SECONDS, so
# that only the jump ends the lease.
HANGS_SECONDS = 20


class Clock:
    """Set the time of day that our processes see. time.monotonic does not change."""

    def __init__(self, folder: Path, compiler: str) -> None:
        self.file = folder / "clock"
        self.jump(0)
        library = folder / "clock.so"
        command = [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True)
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self.file)}

    def jump(self, seconds: int) -> None:
        # Write a new file and rename it: a reader must not see half of the number.
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    compiler = shutil.which("cc")
    if not compiler:
        skip_or_fail_in_ci("no C compiler, which clock.c needs")
    return Clock(tmp_path, compiler)


def hours_off(house: House, number: str) -> float:
    """Return how many hours the site's clock was ahead when it created this call."""
    created = moment(house.call(number)["created_at"])
    return (created - datetime.now(timezone.utc)).total_seconds() / HOUR


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_leases_waits_and_checks_survive_a_clock_that_jumps_by_an_hour(
    new_house, counted, clock, jump
):
    # These times are so long that all four calls still wait when the clock jumps.
    house = new_house(LEASE_SECONDS="60", RECOVER_SECONDS="300", **clock.environ)
    house.start_web()
    worker = house.start_worker(threads=6)
    leased, waiting, polled, unheard = numbers = [new_number() for _ in range(4)]
    house.assemblyai.webhooks("lost")
    house.dial(polled)
    until("the job runs", lambda: house.status(polled) == "queued")
    house.assemblyai.fault("POST /v2/upload$", times=None, status=503)
    house.dial(waiting)
    until("it waits", lambda: house.attempts(waiting))
    # A longer wait, so that only the jump makes it due.
    later = datetime.now(timezone.utc) + timedelta(minutes=10)
    house.set_next_attempt(waiting, at=later)
    # Nearly last, because a worker waits for AssemblyAI's answer for 33 s only.
    hold = house.to_assemblyai.hold("POST /v2/upload", of_request=1000)
    house.dial(leased)
    until("a worker holds the lease", hold.reached.is_set)
    house.twilio.webhooks("lost")
    house.dial(unheard)
    until(
        "it was recorded",
        lambda: house.twilio.call_to(unheard)["status"] == "completed",
    )
    assert_set_up(house, leased, waiting, polled, unheard)

    clock.jump(jump)
    # Kill the worker, so that a new worker must take over its leased row.
    worker.kill()
    house.assemblyai.clear_faults()
    for vendor in (house.twilio, house.assemblyai):
        vendor.webhooks("normal")
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
    house.dial(probe)
    house.completed(probe, WITHIN_SECONDS)
    counted(
        f"clock jumped by {jump:+d} s: "
        + ", ".join(f"{name}: {took[name]}" for name in took)
    )
    assert "not done" not in took.values(), took
    assert round(hours_off(house, probe)) == jump / HOUR, "the clock did not jump"
    house.assert_right(*numbers, probe)


def assert_set_up(
    house: House, leased: str, waiting: str, polled: str, unheard: str
) -> None:
    """Check that each call waits for something different."""
    now = datetime.now(timezone.utc)
    rows = {n: house.transcripts(n)[0] for n in (leased, waiting, polled)}
    assert rows[leased]["status"] == "fetched"
    assert rows[leased]["lease"]
    assert moment(rows[leased]["leased_until"]) > now
    assert rows[waiting]["status"] == "fetched"
    assert not rows[waiting]["lease"]
    assert moment(rows[waiting]["next_attempt_at"]) > now
    assert rows[polled]["status"] == "queued"
    assert not rows[polled]["lease"]
    assert moment(rows[polled]["next_attempt_at"]) > now
    assert not house.transcripts(unheard)
    assert moment(house.call(unheard)["next_check_at"]) > now


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_clock_jump_during_a_request_causes_no_second_job(
    new_house, counted, clock, jump
):
    house = new_house(LEASE_SECONDS="30", RECOVER_SECONDS="9", **clock.environ)
    web = house.start_web()
    worker = house.start_worker(threads=6)
    amid, lost, dialled = new_number(), new_number(), new_number(fate="0002")
    post = "POST /v2/transcript$"

    # The clock jumps while the worker has a lease. After a jump forward, the lease has
    # expired. After a jump back, it seems to last over an hour, so workers ignore it.
    house.assemblyai.fault(post, hang_after=HANGS_SECONDS)
    house.dial(amid)
    until("the job is asked for", lambda: house.assemblyai.requests(post))
    assert house.status(amid) == "submitting"
    clock.jump(jump)
    # From here on the clock is wrong. AssemblyAI accepts a job, but its answer is lost.
    house.assemblyai.fault(post, reset_after=True)
    house.dial(lost)
    # Twilio places the call, but its answer and its webhooks are lost.
    house.twilio.webhooks("lost")
    hold = house.to_twilio.hold("POST .*/Calls.json")
    dial_and_be_cut_off(house, dialled)
    until("Twilio placed the call", hold.reached.is_set)
    until("the line was engaged", lambda: ended_as(house, dialled, "busy"))
    web.kill()
    house.start_web()
    let_time_pass(house, dialled, LISTING_DELAY)
    assert settled(house, dialled)["status"] == "busy"
    for number in (lost, amid):
        house.completed(number)
    # The thread that waited lost its lease, because another thread took the row.
    until("the lease was lost", lambda: "lease=lost" in worker.log.read_text())

    posts = {}
    for name, number in (("amid", amid), ("lost", lost)):
        (transcript,) = house.transcripts(number)
        posts[name] = len(house.assemblyai.posts_of(transcript["audio_url"]))
    call = house.call(dialled)
    counted(
        f"clock jumped by {jump:+d} s amid POST /v2/transcript: {posts['amid']} POST; "
        f"then the answer to one was lost, {posts['lost']} POST; answer to dialling "
        f"lost, Twilio says busy, we say {call['status']}"
    )
    assert round(hours_off(house, lost)) == jump / HOUR, "the clock did not jump"
    assert posts == {"amid": 1, "lost": 1}
    assert call["status"] == "busy"
    house.assert_right(amid, lost)
