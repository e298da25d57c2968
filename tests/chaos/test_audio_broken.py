"""Downloads that are late, truncated or not audio, and a full disk."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.house import new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

WAV = "GET /Recordings/RE[0-9a-f]+.wav$"
LATE_SECONDS = 45


def test_late_truncated_or_html_audio_is_fetched_again_until_complete(
    new_house, counted
):
    house = new_house()
    house.start_web()
    twilio = house.twilio
    # For the call to `late`, Twilio has the audio late. The other faults below may hit
    # any of the other calls.
    late, *numbers = [new_number() for _ in range(7)]
    house.dial(late)
    until("the recording is known", lambda: house.transcripts(late))
    (row,) = house.transcripts(late)
    late_wav = f"GET /Recordings/{row['recording_sid']}.wav$"
    missing = {"status": 404, "body": {"code": 20404, "status": 404}}
    twilio.fault(late_wav, times=None, **missing)
    faults = (
        missing,
        {"truncate": 20_000},
        {"html": True},
        {"truncate": 30},
        missing,
        {"html": True, "status": 404},
    )
    for do in faults:
        twilio.fault(WAV, **do)
    house.start_worker()
    until("the first 404", lambda: twilio.requests(late_wav))
    began = time.monotonic()

    for number in numbers:
        house.dial(number)
    stored = set()

    def all_completed() -> bool:
        # Collect all hashes. A second hash of a recording would mean that an incomplete
        # file was stored first.
        for number in [late, *numbers]:
            for row in house.transcripts(number):
                stored.add((row["recording_sid"], row["sha256"]))
        return all(house.status(number) == "completed" for number in numbers)

    until("all others are completed", all_completed)
    time.sleep(max(0, began + LATE_SECONDS - time.monotonic()))
    (waiting,) = house.transcripts(late)
    rules = twilio.control("GET", "faults")
    in_vain, hits = rules[0]["hits"], sum(rule["hits"] for rule in rules)
    twilio.clear_faults()
    house.completed(late)
    all_completed()

    counted(
        f"audio 404, cut, or HTML in {hits} answers, {in_vain} of them for one that "
        f"was not there for {LATE_SECONDS} s: {len(numbers) + 1} files stored, each "
        f"with Twilio's own bytes, {len(twilio.requests(WAV))} downloads"
    )
    assert hits == len(faults) + in_vain
    assert (waiting["status"], waiting["error_class"]) == ("pending", "temporary")
    assert in_vain >= 3
    house.assert_right(late, *numbers)
    assert len({sid for sid, sha256 in stored if sha256}) == len(
        {(sid, sha256) for sid, sha256 in stored if sha256}
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that has room for only half a recording. Yield its path."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        skip_or_fail_in_ci(f"no file system may be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_is_reported_and_audio_is_stored_when_there_is_space(
    small_disk, new_house, counted
):
    house = new_house(MEDIA_ROOT=str(small_disk))
    house.media = small_disk
    house.start_web()
    house.start_worker()
    numbers = [new_number(), new_number()]

    pages = [house.dial(number) for number in numbers]
    for number in numbers:
        until(
            "the full disk is on the row",
            lambda n=number: [t for t in house.transcripts(n) if t["error"]],
        )
    # While a worker retries, there is a half file for a moment.
    until(
        "no half file is kept",
        lambda: not any(path.is_file() for path in small_disk.rglob("*")),
    )
    words = [house.transcripts(number)[0]["error"] for number in numbers]
    statuses = [house.status(number) for number in numbers]
    shown = [house.page(page) for page in pages]
    remount = ["mount", "-o", "remount,size=16m", str(small_disk)]
    subprocess.run(remount, check=True)
    for number in numbers:
        house.completed(number)

    left = sorted(os.listdir(house.temporary))
    counted(
        f"disk full: no half file kept, said: {words[0]!r}, {len(numbers)} "
        f"stored once there was room, {len(left)} temporary files left"
    )
    assert statuses == ["pending", "pending"]
    for text, page in zip(words, shown, strict=True):
        assert "No space left on device" in text
        assert text in page
    house.assert_right(*numbers)
    assert not [name for name in left if "upload" in name]
