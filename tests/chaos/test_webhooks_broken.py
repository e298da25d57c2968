"""Webhooks are lost, doubled, reversed or late."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from tests.chaos.databases import moment
from tests.chaos.house import House, new_number
from tests.chaos.test_dial_broken import LISTING_DELAY, let_time_pass
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

# The default is 90 s. With less, the test is faster. The waits take up to 81% of this
# time (see djtranscribe.recovery), the rest is for the work.
RECOVER_SECONDS = 72


def test_transcript_arrives_within_recover_seconds_without_webhooks(new_house, counted):
    house = new_house(RECOVER_SECONDS=str(RECOVER_SECONDS))
    house.twilio.webhooks("lost")
    house.assemblyai.webhooks("lost")
    house.start_web()
    house.start_worker()
    numbers = [new_number() for _ in range(4)]
    unheard = {"busy": new_number(fate="0002"), "no-answer": new_number(fate="0003")}

    for number in [*numbers, *unheard.values()]:
        house.dial(number)
    finished = {number: house.completed(number) for number in numbers}

    late = []
    for number, transcript in finished.items():
        events = house.twilio.call_to(number)["timeline"]
        recorded = next(e["at"] for e in events if "is completed" in e["what"])
        (job,) = [
            job
            for job in house.assemblyai.jobs()
            if job["id"] == transcript["assemblyai_id"]
        ]
        recognising = moment(job["completed"]) - moment(job["created"])
        whole = moment(transcript["finished_at"]) - moment(recorded)
        late.append((whole - recognising) / timedelta(seconds=1))
    counted(
        f"every webhook lost: {len(finished)} transcripts, {max(late):.1f} s at most "
        f"after they could be there (RECOVER_SECONDS={RECOVER_SECONDS})"
    )
    house.assert_right(*numbers)
    assert {word: house.call(number)["status"] for word, number in unheard.items()} == {
        "busy": "busy",
        "no-answer": "no-answer",
    }
    assert max(late) <= RECOVER_SECONDS
    sent = [*house.twilio.deliveries(), *house.assemblyai.deliveries()]
    mine = [one for one in sent if one["url"].startswith(house.site + "/webhooks/")]
    assert mine
    assert not [one for one in mine if one["status"]]


# The webhooks about a completed call report these statuses.
TOLD = {
    *("initiated", "ringing", "in-progress", "completed"),
    *("recording completed", "transcript completed"),
}


def told(house: House, number: str) -> Counter[str]:
    """Count the answered webhooks for each status of TOLD, and check the answers."""
    call = str(UUID(str(house.call(number)["uuid"])))
    (transcript,) = house.transcripts(number)
    sent = Counter()
    for one in [*house.twilio.deliveries(), *house.assemblyai.deliveries()]:
        url, params = one["url"], one["params"]
        if "/webhooks/" not in url or one["status"] is None:
            continue
        if str(UUID(str(transcript["uuid"]))) in url:
            if one["status"] == 503:
                continue  # the id of the job was not stored yet; AssemblyAI retries
            sent[f"transcript {params['status']}"] += 1
        elif call in url and "/recording/" in url:
            sent[f"recording {params['RecordingStatus']}"] += 1
        elif call in url:
            sent[params["CallStatus"]] += 1
        else:
            continue
        assert 200 <= one["status"] < 300, one
    return sent


def test_webhooks_doubled_reversed_and_delayed_end_in_the_same_rows(new_house, counted):
    # Longer than `completed` waits, so that a lease that is not released is noticed.
    house = new_house(LEASE_SECONDS="600")
    house.start_web()
    house.start_worker()
    columns = "status, duration_seconds IS NULL AS no_duration, error"
    seen = {}
    heard = {}
    numbers = {}

    for mode in ("normal", "doubled", "reversed", "delayed"):
        house.twilio.webhooks(mode, seconds=2)
        house.assemblyai.webhooks(mode, seconds=2)
        numbers[mode] = new_number()
        house.dial(numbers[mode])
        house.completed(numbers[mode])
    # Wait for all webhooks: delayed ones come after the transcript is completed.
    for mode, number in numbers.items():
        times = 2 if mode == "doubled" else 1
        wanted = dict.fromkeys(TOLD, times)
        until(
            f"everything was told, {mode}",
            lambda n=number, w=wanted: w.items() <= told(house, n).items(),
        )
        heard[mode] = told(house, number).total()
        call = house.database.rows(
            f"SELECT {columns} FROM caller_call WHERE other_number = %s", number
        )
        (transcript,) = house.transcripts(number)
        seen[mode] = (call, transcript["status"], transcript["jobs"])

    counted(
        f"webhooks {', '.join(f'{mode} {heard[mode]}' for mode in seen)}: "
        "1 POST /v2/transcript each, the same rows"
    )
    house.assert_right(*numbers.values())
    assert len({str(rows) for rows in seen.values()}) == 1, seen


SILENCE_SECONDS = 20
# Each request in QUESTIONS gets each of these answers once.
FAULTS = {
    "500": {"status": 500, "body": {"message": "oops"}},
    "html": {"html": True},
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "reset": {"reset": True},
    "silence": {"hang": SILENCE_SECONDS},
}
QUESTIONS = {
    "list of calls": "GET /Calls.json$",
    "call": "GET /Calls/CA[0-9a-f]+.json$",
    "list of recordings": "GET /Recordings.json$",
}


def test_twilio_is_polled_until_it_responds_if_webhooks_are_lost(new_house, counted):
    house = new_house(RECOVER_SECONDS="9")
    twilio = house.twilio
    twilio.webhooks("lost")
    house.start_web()
    heard_of = [new_number() for _ in FAULTS]
    # Twilio places these calls, but its answers, which contain the SIDs, are lost.
    unheard_of = [new_number(fate="0002") for _ in FAULTS]
    for number in unheard_of:
        twilio.fault("POST /Calls.json$", reset_after=True)
        house.dial(number)
    for number in heard_of:
        house.dial(number)
    for request in QUESTIONS.values():
        for do in FAULTS.values():
            twilio.fault(request, **do)
    # The list of calls fails until `clear_faults`. So we cannot know whether Twilio has
    # placed the calls, and a page that says "nothing was dialled" would be wrong.
    twilio.fault(QUESTIONS["list of calls"], times=None, status=503)
    for number in unheard_of:
        let_time_pass(house, number, LISTING_DELAY)
    house.start_worker(threads=12)

    until("every fault was met", lambda: hits(house, "list of calls") > len(FAULTS))
    unsettled = {house.call(number)["status"] for number in unheard_of}
    pages = [house.page_of(number) for number in unheard_of]
    until(
        "Twilio failed each request in every way",
        lambda: all(hits(house, name) >= len(FAULTS) for name in QUESTIONS),
    )
    failed = {name: hits(house, name) for name in QUESTIONS}
    twilio.clear_faults()
    for number in heard_of:
        house.completed(number)
    for number in unheard_of:
        until(
            "it is settled",
            lambda n=number: house.call(n)["status"] != "unknown",
        )

    counted(
        f"every webhook of Twilio's lost, and its answers failed in {len(FAULTS)} ways "
        f"({failed}): {len(heard_of)} transcripts, {len(unheard_of)} busy calls found"
    )
    assert unsettled == {"unknown"}
    assert not [page for page in pages if "nothing was dialled" in page]
    assert {house.call(number)["status"] for number in unheard_of} == {"busy"}
    for number in unheard_of:
        assert house.call(number)["sid"] == twilio.call_to(number)["sid"]
        assert len(twilio.posts_to(number)) == 1
    house.assert_right(*heard_of)


def hits(house: House, question: str) -> int:
    """Return how many requests of this kind the faults have broken."""
    path = QUESTIONS[question].split(" ", 1)[1]
    rules = house.twilio.control("GET", "faults")
    return sum(
        rule["hits"]
        for rule in rules
        if (rule["method"], rule["path"]) == ("GET", path)
    )
