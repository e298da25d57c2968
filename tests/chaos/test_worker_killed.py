"""A worker is killed in the middle of a step, and another worker takes over."""

from datetime import datetime, timezone

import pytest

from tests.chaos.databases import moment
from tests.chaos.house import House, new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

# Leases are so long that none expires during the setup, even on a busy machine. They
# are longer than any request.
LEASE_SECONDS = 40
# Longest time that one request can take, see wait_for_request_timeout in
# transcription.steps.
LONGEST_REQUEST_SECONDS = 33.05
# Time for a worker on a slow machine to find the overdue rows and to finish them. Less
# than another lease.
SLACK_SECONDS = 30
AUDIO_BYTES_PASSED = 30_000


def bring_to(house: House, number: str, step: str) -> None:
    """Dial, and stop the worker at this step of the call's transcript."""
    if step == "before the fetch":
        hold = house.to_twilio.hold("GET .*[.]wav", of_request=0)
    elif step == "amid the download":
        hold = house.to_twilio.hold("GET .*[.]wav", of_answer=AUDIO_BYTES_PASSED)
    elif step == "amid the upload":
        hold = house.to_assemblyai.hold(
            "POST /v2/upload", of_request=AUDIO_BYTES_PASSED
        )
    elif step == "after the upload":
        hold = house.to_assemblyai.hold("POST /v2/upload")
    elif step == "before POST /v2/transcript left":
        hold = house.to_assemblyai.hold("POST /v2/transcript ", of_request=0)
    elif step == "after POST /v2/transcript was received":
        hold = house.to_assemblyai.hold("POST /v2/transcript ")
    elif step == "amid the refresh":
        hold = house.to_assemblyai.hold("GET /v2/transcript/")
    house.dial(number)
    until(f"the worker is {step}", hold.reached.is_set)


def lease(house: House, number: str) -> str | None:
    (transcript,) = house.transcripts(number)
    return transcript["lease"]


STEPS = {
    "before the fetch": "pending",
    "amid the download": "pending",
    "amid the upload": "fetched",
    "after the upload": "fetched",
    "before POST /v2/transcript left": "submitting",
    "after POST /v2/transcript was received": "submitting",
    "amid the refresh": "queued",
}


def test_killed_worker_loses_no_text_and_causes_no_second_job_at_any_step(
    new_house, counted
):
    house = new_house(LEASE_SECONDS=str(LEASE_SECONDS), RECOVER_SECONDS="12")
    # Lose all webhooks: the new worker must find the job without the ID in a webhook.
    house.assemblyai.webhooks("lost")
    house.start_web()
    worker = house.start_worker(threads=len(STEPS) + 1)
    numbers = {step: new_number() for step in STEPS}
    leases = {}
    # Begin with the last step, a poll of AssemblyAI, because the worker waits before
    # this poll. If other steps came first, their leases could expire during the wait.
    for step in reversed(STEPS):
        bring_to(house, numbers[step], step)
        leases[step] = lease(house, numbers[step])
    assert {step: house.status(numbers[step]) for step in STEPS} == STEPS
    # No lease has expired yet.
    assert None not in leases.values()
    assert {step: lease(house, numbers[step]) for step in STEPS} == leases

    worker.kill()
    killed_at = datetime.now(timezone.utc)
    house.start_worker(threads=4)
    started = (datetime.now(timezone.utc) - killed_at).total_seconds()

    took = {}
    for step, number in numbers.items():
        finished = house.completed(number)["finished_at"]
        took[step] = (moment(finished) - killed_at).total_seconds()
    for step, number in numbers.items():
        (transcript,) = house.transcripts(number)
        posts = house.assemblyai.posts_of(transcript["audio_url"])
        counted(
            f"worker killed {step}: {len(posts)} POST /v2/transcript, word error rate "
            f"{house.word_error_rate(number):.2f}, done after {took[step]:.1f} s"
        )
        assert len(posts) == 1
        longest = max(LEASE_SECONDS, started) + SLACK_SECONDS
        longest += 3  # the next worker polls the job after RECOVER_SECONDS / 4
        if STEPS[step] == "submitting":
            longest += LONGEST_REQUEST_SECONDS
        assert took[step] < longest, step
    house.assert_right(*numbers.values())
