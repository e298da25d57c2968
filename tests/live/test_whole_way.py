from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import jiwer
import pytest

from tests.live.operator import Operator
from tests.live.sandbox import Sandbox, control

WORD_ERROR_RATE = 0.25  # limit for the stand-in's recogniser, not for AssemblyAI

as_spoken = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces()]
)


def word_error_rate(said: str, read: str) -> float:
    return jiwer.wer(as_spoken(said), as_spoken(read))


def test_transcript_of_a_call_matches_what_was_said(
    sandbox: Sandbox, operator: Operator
):
    page = operator.dial("14155551234")

    text = operator.text_of(page)

    said = sandbox.said_to("+14155551234")
    assert word_error_rate(said, text) <= WORD_ERROR_RATE, f"{said!r} became {text!r}"


@pytest.mark.slow
def test_twenty_simultaneous_calls_are_all_transcribed(
    sandbox: Sandbox, operator: Operator
):
    numbers = [f"1415555{last}" for last in range(2100, 2120)]
    before = {job["audio_url"] for job in jobs_asked_for(sandbox)}

    with ThreadPoolExecutor(4) as operators:
        pages = list(operators.map(operator.dial, numbers))
        texts = dict(
            zip(
                numbers,
                operators.map(operator.text_of, pages),
                strict=True,
            )
        )

    rates = {
        number: word_error_rate(sandbox.said_to(f"+{number}"), text)
        for number, text in texts.items()
    }
    asked = [job["audio_url"] for job in jobs_asked_for(sandbox)]
    ours = [url for url in asked if url not in before]
    assert max(rates.values()) <= WORD_ERROR_RATE, rates
    assert len(ours) == len(set(ours)) == 20


def jobs_asked_for(sandbox: Sandbox) -> list[dict]:
    asked = sandbox.requests_to(sandbox.assemblyai, "POST", "/v2/transcript")
    return [request["body"] for request in asked]


@pytest.mark.slow
def test_our_share_of_the_transcription_time_is_under_two_seconds(
    sandbox: Sandbox, operator: Operator
):
    page = operator.dial("14155552190")

    operator.text_of(page)

    seen = datetime.now(timezone.utc)
    recorded = when(control(sandbox.twilio, "deliveries"), "url", "/recording/")
    requests = control(sandbox.assemblyai, "requests")
    submitted = when(requests, "path", "/v2/transcript")
    finished = when(control(sandbox.assemblyai, "deliveries"), "url", "/assemblyai/")
    ours = (seen - recorded) - (finished - submitted)
    print(f"\nour share of the time from the recording to the text: {ours}")
    assert timedelta() < ours < timedelta(seconds=2)


def when(events: list[dict], key: str, part: str) -> datetime:
    """Return the time of the latest event with `part` in its field `key`."""
    matching = [event for event in events if part in event[key]]
    return max(datetime.fromisoformat(event["at"]) for event in matching)
