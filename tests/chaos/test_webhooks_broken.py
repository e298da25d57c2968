"""Webhooks that are lost, doubled, reversed or late, sent by the real stand-ins."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.chaos.house import new_number

pytestmark = pytest.mark.slow

RECOVER_SECONDS = 9


def moment(value: str | datetime) -> datetime:
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


def test_with_every_webhook_lost_the_transcript_comes_within_the_time_that_is_set(
    new_house, counted
):
    house = new_house(RECOVER_SECONDS=str(RECOVER_SECONDS))
    house.twilio.webhooks("lost")
    house.assemblyai.webhooks("lost")
    house.start_web()
    house.start_worker()
    numbers = [new_number() for _ in range(4)]
    unheard = {"busy": new_number(fate="0002"), "no-answer": new_number(fate="0003")}

    for number in [*numbers, *unheard.values()]:
        house.dial(number)
    finished = {number: house.completed(number, 60) for number in numbers}

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


def test_webhooks_doubled_reversed_and_delayed_end_in_the_same_rows(new_house, counted):
    house = new_house()
    house.start_web()
    house.start_worker()
    columns = "status, duration_seconds IS NULL AS no_duration, error"
    seen = {}
    numbers = {}

    for mode in ("normal", "doubled", "reversed", "delayed"):
        house.twilio.webhooks(mode, seconds=2)
        house.assemblyai.webhooks(mode, seconds=2)
        numbers[mode] = new_number()
        house.dial(numbers[mode])
        house.completed(numbers[mode])
    # The late ones come after the transcript is there.
    for mode, number in numbers.items():
        call = house.database.rows(
            f'SELECT {columns}, sequence_number FROM caller_call WHERE "to" = %s',
            number,
        )
        (transcript,) = house.transcripts(number)
        seen[mode] = (call, transcript["status"], transcript["jobs"])

    counted(f"webhooks {', '.join(seen)}: 1 POST /v2/transcript each, the same rows")
    house.assert_right(*numbers.values())
    assert len({str(rows) for rows in seen.values()}) == 1, seen
