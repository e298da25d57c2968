"""A call's deliveries in any order, twice or an hour late, end in the same rows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caller.models import Call, Recording
from tests.caller.rows import CALL_SID, NUMBER, RECORDING_SID, deliveries
from transcription.assemblyai.payloads import WEBHOOK_HEADER
from transcription.models import Transcript

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

EXAMPLES = int(os.environ.get("WEBHOOK_ORDERS", "2000"))
# Which delivery comes, and whether an hour goes by before it does.
ORDERS = st.permutations(range(7)).flatmap(
    lambda order: st.lists(st.integers(0, 6), min_size=1, max_size=4).flatmap(
        lambda again: st.permutations([*order, *again]).flatmap(
            lambda numbers: st.tuples(
                *(st.tuples(st.just(number), st.booleans()) for number in numbers)
            )
        )
    )
)
HOUR = timedelta(hours=1)
MORNING = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
OUTCOME = {
    "calls": [
        {
            "sid": CALL_SID,
            "status": "completed",
            "queued_at": None,
            "ringing_at": MORNING + timedelta(seconds=10),
            "answered_at": MORNING + timedelta(seconds=20),
            "ended_at": MORNING + timedelta(seconds=30),
            "duration_seconds": 17,
            "sequence_number": 3,
            "error": "",
        }
    ],
    "recordings": [
        {
            "sid": RECORDING_SID,
            "status": "completed",
            "duration_seconds": 7,
            "channels": 1,
            "source": "RecordVerb",
            "error": "",
        }
    ],
    "transcripts": [
        {"recording__sid": RECORDING_SID, "status": "pending", "jobs": 0, "error": ""}
    ],
}


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def rows() -> dict[str, list[dict[str, Any]]]:
    """All that an operator may see, without the times of our own clock."""
    models = {"calls": Call, "recordings": Recording, "transcripts": Transcript}
    return {
        name: list(models[name].objects.values(*columns[0]))
        for name, columns in OUTCOME.items()
    }


def test_any_order_of_a_calls_deliveries_ends_in_the_same_rows(
    client, signed_post, counted, caplog, monkeypatch
):
    caplog.set_level("ERROR", logger="djtranscribe")
    sent = []
    late = 0
    clock = datetime.now(timezone.utc)
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock)

    def nudge() -> None:
        """AssemblyAI's, at a time when there may be no such transcript yet."""
        for transcript in Transcript.objects.all():
            client.post(
                f"/webhooks/assemblyai/{transcript.uuid}/",
                {"transcript_id": "x", "status": "completed"},
                content_type="application/json",
                headers={WEBHOOK_HEADER: transcript.webhook_token()},
            )

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(ORDERS)
    def try_order(order):
        nonlocal clock, late
        with rolled_back():
            call = Call.objects.create(to=NUMBER, from_number="+14155550100")
            posts = deliveries(call)
            for number, comes_late in order:
                if comes_late:
                    clock += HOUR
                    late += 1
                if number < len(posts):
                    answer = signed_post(*posts[number])
                    assert answer.status_code in (200, 204), answer
                else:
                    nudge()
            sent.append(order)
            assert rows() == OUTCOME

    try_order()

    counted(
        f"{len(sent)} orders of a call's deliveries ({len(set(sent))} different ones, "
        f"{sum(map(len, sent))} deliveries, {late} of them an hour late) on "
        f"{connection.vendor}: 1 outcome"
    )
    assert len(sent) >= EXAMPLES
