"""The order of a call's webhooks does not change the resulting rows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caller.models import Call, Leg, Recording
from tests.caller.conversations import rows as conversations
from tests.caller.rows import CALL_SID, RECORDING_SID, a_call, deliveries
from transcription.assemblyai.payloads import WEBHOOK_HEADER
from transcription.models import Transcript

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

EXAMPLES = int(os.environ.get("WEBHOOK_ORDERS", "2000"))


def orders(count: int) -> Any:
    """Generate tuples of (index of a webhook, whether an hour passes before it).

    Each webhook comes at least once. One to four webhooks are repeated.
    """
    numbers = st.integers(0, count - 1)
    return st.permutations(range(count)).flatmap(
        lambda order: st.lists(numbers, min_size=1, max_size=4).flatmap(
            lambda again: st.permutations([*order, *again]).flatmap(
                lambda sent: st.tuples(
                    *(st.tuples(st.just(number), st.booleans()) for number in sent)
                )
            )
        )
    )


HOUR = timedelta(hours=1)
MORNING = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
PHONES = {"message": a_call, "conversation": conversations.a_conversation}
DELIVERIES = {"message": deliveries, "conversation": conversations.deliveries}


def after(seconds: int) -> datetime:
    return MORNING + timedelta(seconds=seconds)


CALLS = {
    "message": {
        "ringing_at": after(10),
        "answered_at": after(20),
        "ended_at": after(30),
        "duration_seconds": 17,
    },
    "conversation": {
        "ringing_at": after(20),
        "answered_at": after(25),
        "ended_at": after(45),
        "duration_seconds": 20,
    },
}
LEGS = {
    "message": [],
    "conversation": [
        {
            "status": "completed",
            "ringing_at": after(5),
            "answered_at": after(10),
            "ended_at": after(50),
            "duration_seconds": 40,
            "hung_up_first": False,
        }
    ],
}
SOURCES = {"message": ("RecordVerb", 1), "conversation": ("DialVerb", 2)}


def outcome(kind: str) -> dict[str, Any]:
    source, channels = SOURCES[kind]
    call = {"sid": CALL_SID, "status": "completed", "queued_at": None}
    return {
        "calls": [{**call, **CALLS[kind], "error": ""}],
        "legs": LEGS[kind],
        "recordings": [
            {
                "sid": RECORDING_SID,
                "status": "completed",
                "duration_seconds": 7,
                "channels": channels,
                "source": source,
                "error": "",
            }
        ],
        "transcripts": [
            {
                "recording__sid": RECORDING_SID,
                "status": "pending",
                "jobs": 0,
                "error": "",
            }
        ],
    }


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def rows(expected: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows, with only the columns that `expected` contains."""
    models = {
        "calls": Call,
        "legs": Leg,
        "recordings": Recording,
        "transcripts": Transcript,
    }
    return {
        name: list(models[name].objects.values(*(columns[0] if columns else ())))
        for name, columns in expected.items()
    }


@pytest.mark.parametrize("kind", ["message", "conversation"])
def test_any_order_of_a_calls_deliveries_ends_in_the_same_rows(
    client, signed_post, counted, caplog, monkeypatch, kind
):
    expected = outcome(kind)
    # Add one for AssemblyAI's webhook, see `nudge`.
    count = len(DELIVERIES[kind](Call())) + 1
    caplog.set_level("ERROR", logger="djtranscribe")
    sent = []
    late = 0
    clock = datetime.now(timezone.utc)
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock)

    def nudge() -> None:
        """Send AssemblyAI's webhook, if the transcript exists already."""
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
    @given(orders(count))
    def try_order(order):
        nonlocal clock, late
        with rolled_back():
            call = PHONES[kind]()
            posts = DELIVERIES[kind](call)
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
            assert rows(expected) == expected

    try_order()

    counted(
        f"{len(sent)} orders of a {kind}'s deliveries "
        f"({len(set(sent))} different ones, "
        f"{sum(map(len, sent))} deliveries, {late} of them an hour late) on "
        f"{connection.vendor}: 1 outcome"
    )
    assert len(sent) >= EXAMPLES
