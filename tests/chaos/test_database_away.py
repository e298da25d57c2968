"""The database goes away during webhooks and all kinds of work."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from tests.chaos.databases import Cluster, Database, PostgresMaker, SqliteMaker
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.house import House, new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

AWAY_SECONDS = 20
# How long the SQLite file is locked. The latest write begins after 18 s, waits 20 s for
# the lock, and must fail.
LOCKED_SECONDS = 42
LEASE_SECONDS = 60
# Delay of a vendor's answer. The answer must arrive while the database is away.
LATE_SECONDS = {"twilio": 12, "assemblyai": 18}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield a database that the test may stop. No other test uses it."""
    if request.param == "sqlite":
        with SqliteMaker(tmp_path).fresh(tmp_path) as database:
            yield database
        return
    if not Cluster.is_possible():
        skip_or_fail_in_ci("starting a PostgreSQL server needs its binaries, and root")
    cluster = Cluster()
    try:
        with PostgresMaker(cluster.url).fresh(tmp_path) as database:
            database.away = cluster.away
            yield database
    finally:
        cluster.close()


def test_a_database_that_is_away_for_20_seconds_costs_nothing(
    new_house, database, counted, request
):
    on_sqlite = "sqlite" in request.node.callspec.id
    # Use long waits, so that no row is checked again before the database goes away.
    house: House = new_house(LEASE_SECONDS=str(LEASE_SECONDS), RECOVER_SECONDS="60")
    twilio, assemblyai = house.twilio, house.assemblyai
    house.start_web()
    recorded, download, *others = numbers = [new_number() for _ in range(6)]
    for number in (download, *others):
        house.dial(number)
    until("each has a transcript", lambda: all(map(house.transcripts, numbers[1:])))
    # Hold webhooks of both vendors back. They are sent while the database is away. Ten
    # attempts take 45 s, so the last ones come when the database is back.
    assemblyai.webhooks("held", retry_seconds=5)
    upload, submit, *queued = others
    later = datetime.now(timezone.utc) + timedelta(minutes=15)
    house.set_next_attempt(download, upload, submit, at=later)
    house.start_worker(threads=8)
    until("two have a job", lambda: {*map(house.status, queued)} == {"queued"})
    house.set_next_attempt(*queued, at=later)
    twilio.webhooks("held")
    house.dial(recorded)
    until("it was recorded", lambda: was_recorded(house, recorded))
    # Delay answers to requests, so that they arrive while the database is away.
    for what in ("POST /v2/upload$", "POST /v2/transcript$", "GET /v2/transcript/"):
        assemblyai.fault(what, hang_after=LATE_SECONDS["assemblyai"])
    (row,) = house.transcripts(download)
    wav = f"GET /Recordings/{row['recording_sid']}.wav$"
    twilio.fault(wav, hang_after=LATE_SECONDS["twilio"])
    # One sweep finds all four, so that they are amid their requests at the same time.
    now = datetime.now(timezone.utc)
    house.set_next_attempt(download, upload, submit, queued[0], at=now)
    until(
        "they are amid four steps",
        lambda: (twilio.hits(), assemblyai.hits()) == (1, 3),
    )
    in_hand = sorted(
        row["status"]
        for number in [download, *others]
        for row in house.transcripts(number)
        if row["lease"]
    )
    assert in_hand == ["fetched", "pending", "queued", "submitting"]

    refused = new_number()
    dialling = threading.Thread(target=dial_anyway, args=[house, refused])
    with database.away():
        began = datetime.now(timezone.utc)
        dialling.start()
        twilio.release()
        assemblyai.release()
        health = house.health()
        time.sleep(LOCKED_SECONDS if on_sqlite else AWAY_SECONDS)
        ended = datetime.now(timezone.utc)
    for number in numbers:
        house.completed(number)
    dialling.join()

    took = datetime.now(timezone.utc) - ended
    answers = [
        delivery["status"]
        for delivery in [*twilio.deliveries(), *assemblyai.deliveries()]
        if began < datetime.fromisoformat(delivery["at"]) < ended
        and delivery["url"].startswith(f"{house.site}/webhooks/")
    ]
    counted(
        f"database away for {(ended - began) / timedelta(seconds=1):.0f} s: "
        f"{len(answers)} webhooks meanwhile, answered {tally(answers)}; /healthz "
        f"{health.status_code}; {len(numbers)} transcripts, 1 job each, all "
        f"{took.total_seconds():.0f} s after it was back"
    )
    assert answers
    # A 2xx would mean that we have stored the webhook. A 4xx would end AssemblyAI's
    # retries.
    assert {status for status in answers if status} <= {503}
    if not on_sqlite:  # a locked SQLite file can still be read
        assert health.status_code == 503
        assert health.json() == {"ok": False, "database": "away"}
    house.assert_right(*numbers)
    # Twilio was asked to dial only if a row was saved first.
    rows = house.database.rows(
        "SELECT sid FROM caller_call WHERE other_number = %s", refused
    )
    assert len(twilio.posts_to(refused)) == len(rows)


def was_recorded(house: House, number: str) -> bool:
    call = house.twilio.call_to(number) or {"recordings": []}
    return any(one["status"] == "completed" for one in call["recordings"])


def dial_anyway(house: House, number: str) -> None:
    with suppress(requests.RequestException):
        house.type_address_of(number)


def tally(answers: list[int | None]) -> str:
    counts = {str(status or "not at all"): answers.count(status) for status in answers}
    return ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
