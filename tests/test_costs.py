"""The number of queries and of vendor requests from a call to its transcript.

Raise a number only for a good reason. benchmarks/load_webhooks.py measures what a call
costs in CPU time.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult

from djtranscribe.vendors import models as pauses
from tests.caller.rows import MEDIA, a_call, deliveries
from tests.data import wav
from tests.transcription.rows import (
    JOB,
    TRANSCRIPT,
    UPLOAD,
    answers_well,
    make_due,
    nudge,
)
from transcription.models import Transcript
from transcription.tasks import advance

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql]

# {webhook: (queries of the first delivery, queries of a duplicate)}.
WEBHOOKS = {
    "initiated": (3, 2),
    "ringing": (3, 2),
    "in-progress": (3, 2),
    "what to say": (3, 2),
    "completed": (3, 2),
    "recording completed": (9, 3),
}


@pytest.fixture
def queries():
    """Return a function that counts the queries since its last call.

    It leaves out BEGIN, COMMIT, and a query that each connection sends only once.
    """
    not_counted = ("BEGIN", "COMMIT", "SELECT pg_backend_pid()")
    with CaptureQueriesContext(connection) as captured:
        seen = 0

        def count() -> int:
            nonlocal seen
            new = captured.captured_queries[seen:]
            seen += len(new)
            return sum(not each["sql"].startswith(not_counted) for each in new)

        yield count


def test_queries_of_each_webhook(signed_post, queries):
    call = a_call()
    counted = {}

    queries()
    for name, delivery in zip(WEBHOOKS, deliveries(call), strict=True):
        signed_post(*delivery)
        once = queries()
        signed_post(*delivery)
        counted[name] = (once, queries())

    assert counted == WEBHOOKS
    assert DBTaskResult.objects.count() == 1


def test_queries_and_requests_from_a_recording_to_its_words(
    client, signed_post, vendors, queries, monkeypatch
):
    # Query only once whether a vendor is paused. With the default of 1 s, a slow run of
    # this test would query again.
    monkeypatch.setattr(pauses, "SECONDS_WITHOUT_PAUSE", 60)
    call = a_call()
    for delivery in deliveries(call):
        signed_post(*delivery)
    transcript = Transcript.objects.get()
    vendors.get(MEDIA, body=wav())
    answers_well(vendors)

    queries()
    advance.call(transcript.pk)
    to_the_job = queries()
    nudge(client, transcript)
    of_the_nudge = queries()
    make_due(transcript)
    queries()
    advance.call(transcript.pk)
    to_the_words = queries()

    transcript.refresh_from_db()
    assert transcript.status == "completed"
    assert (to_the_job, of_the_nudge, to_the_words) == (10, 5, 5)
    assert [(each.request.method, each.request.url) for each in vendors.calls] == [
        ("GET", MEDIA),
        ("POST", UPLOAD),
        ("POST", TRANSCRIPT),
        ("GET", JOB),
    ]
