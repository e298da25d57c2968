"""Several workers get the same messages many times, and do each step once."""

import pytest

from tests.chaos.house import new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

# Queue ten messages for each transcript. Any idle worker may take them.
ENQUEUE = """
from transcription.models import Transcript
from transcription.tasks import advance
for pk in list(Transcript.objects.values_list("pk", flat=True)) * 10:
    advance.enqueue(pk)
"""
STEPS = {
    "download": ("twilio", "GET /Recordings/RE[0-9a-f]+.wav$"),
    "upload": ("assemblyai", "POST /v2/upload$"),
    "POST /v2/transcript": ("assemblyai", "POST /v2/transcript$"),
}


@pytest.mark.parametrize("workers", [2, 10])
def test_workers_on_the_same_rows_do_each_step_once(new_house, counted, workers):
    house = new_house(RECOVER_SECONDS="60")
    house.start_web()
    numbers = [new_number() for _ in range(8)]
    for number in numbers:
        house.dial(number)
    until("each has a transcript", lambda: all(map(house.transcripts, numbers)))
    house.manage("shell", "--no-imports", "--command", ENQUEUE)

    processes = [house.launch_worker(threads=2) for _ in range(workers)]
    for process in processes:
        house.until_ready(process)
    for number in numbers:
        house.completed(number)

    did = {
        name: len(getattr(house, vendor).requests(request))
        for name, (vendor, request) in STEPS.items()
    }
    looks = len(house.assemblyai.requests("GET /v2/transcript/"))
    counted(
        f"{workers} workers, {len(numbers)} rows, each queued 11 times: {did}, "
        f"{looks} GETs of a result"
    )
    assert set(did.values()) == {len(numbers)}
    house.assert_right(*numbers)
