"""A call's deliveries in any order, any of them twice, end in the same rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caller.models import Call, Recording
from tests.caller.twilio import NUMBER, deliveries
from transcription.jobs import WEBHOOK_HEADER
from transcription.models import Transcript

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

EXAMPLES = 2_000
ASSEMBLYAI = "assemblyai"
ORDERS = st.permutations(range(7)).flatmap(
    lambda order: st.lists(st.integers(0, 6), min_size=1, max_size=4).flatmap(
        lambda again: st.permutations([*order, *again])
    )
)


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def rows() -> list:
    """All that an operator may see, without the times of our own clock."""
    calls = Call.objects.values_list(
        "sid",
        "status",
        "answered_at",
        "ended_at",
        "duration_seconds",
        "sequence_number",
        "error",
    )
    recordings = Recording.objects.values_list(
        "sid", "status", "duration_seconds", "channels", "source", "error"
    )
    transcripts = Transcript.objects.values_list("recording__sid", "status", "jobs")
    return [*calls, *recordings, *transcripts]


def test_two_thousand_orders_of_a_calls_deliveries_end_in_the_same_rows(
    client, signed_post, counted, caplog
):
    caplog.set_level("ERROR", logger="djtranscribe")
    outcomes = set()
    sent = []

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
        with rolled_back():
            call = Call.objects.create(to=NUMBER, from_number="+14155550100")
            posts = deliveries(call)
            for number in order:
                if number < len(posts):
                    answer = signed_post(*posts[number])
                    assert answer.status_code in (200, 204), answer
                else:
                    nudge()
            sent.append(tuple(order))
            outcomes.add(str(rows()))
            assert len(outcomes) == 1, outcomes

    try_order()

    counted(
        f"{len(sent)} orders of a call's deliveries ({len(set(sent))} different ones, "
        f"{sum(map(len, sent))} deliveries): {len(outcomes)} outcome"
    )
    assert len(sent) >= EXAMPLES
