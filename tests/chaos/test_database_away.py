"""The database goes away for 20 seconds, under webhooks and amid every kind of work."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from tests.chaos.databases import Cluster, Database, PostgresMaker, SqliteMaker
from tests.chaos.house import TYPED, House, new_number
from tests.chaos.waiting import until

pytestmark = pytest.mark.slow

AWAY_SECONDS = 20
# SQLite waits 20 s for a lock (settings.py): longer than that, so that it gives up.
LOCKED_SECONDS = 23
LATE_SECONDS = 6


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """One that may be taken away: the machine's own server may not."""
    if request.param == "sqlite":
        with SqliteMaker(tmp_path).fresh(tmp_path) as database:
            yield database
        return
    if not Cluster.is_possible():
        pytest.skip("starting a PostgreSQL server needs its binaries, and root")
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
    house: House = new_house(LEASE_SECONDS="5", RECOVER_SECONDS="12")
    twilio, assemblyai = house.twilio, house.assemblyai
    assemblyai.webhooks("normal", retry_seconds=3)
    house.start_web()
    house.start_worker(threads=6)
    names = ("download", "upload", "submit", "refresh", "recorded", "transcribed")
    numbers = {name: new_number() for name in names}

    # Amid work: the vendor's answer comes when there is no database to store it in.
    for name, vendor, what in (
        ("refresh", assemblyai, "GET /v2/transcript/"),
        ("submit", assemblyai, "POST /v2/transcript$"),
        ("upload", assemblyai, "POST /v2/upload$"),
        ("download", twilio, "GET /Recordings/RE[0-9a-f]+.wav$"),
    ):
        before = len(vendor.requests(what))
        vendor.fault(what, hang_after=LATE_SECONDS)
        house.dial(numbers[name])
        until(f"amid {name}", lambda v=vendor, w=what, b=before: len(v.requests(w)) > b)
    # Webhooks: both vendors' come while it is away.
    assemblyai.webhooks("delayed", seconds=LATE_SECONDS, retry_seconds=3)
    house.dial(numbers["transcribed"])
    until("submitted", lambda: house.status(numbers["transcribed"]) == "queued")
    twilio.webhooks("delayed", seconds=LATE_SECONDS)
    house.dial(numbers["recorded"])
    # From here on Twilio has something to tell; only its webhooks are still to come.
    until("it was recorded", lambda: was_recorded(house, numbers["recorded"]))
    began = datetime.now(timezone.utc)
    refused = new_number()
    dialling = threading.Thread(target=dial_anyway, args=[house, refused])
    with database.away():
        dialling.start()
        time.sleep(LOCKED_SECONDS if on_sqlite else AWAY_SECONDS)
        ended = datetime.now(timezone.utc)
    for number in numbers.values():
        house.completed(number, 90)
    dialling.join(30)

    took = datetime.now(timezone.utc) - ended
    answers = [
        delivery["status"]
        for delivery in [*twilio.deliveries(), *assemblyai.deliveries()]
        if began < datetime.fromisoformat(delivery["at"]) < ended
    ]
    counted(
        f"database away for {(ended - began) / timedelta(seconds=1):.0f} s: "
        f"{len(answers)} webhooks meanwhile, answered {tally(answers)}; "
        f"{len(numbers)} transcripts, 1 job each, all {took.total_seconds():.0f} s "
        "after it was back"
    )
    assert answers
    # A 4xx would end AssemblyAI's tries for good.
    assert not [status for status in answers if status and 400 <= status < 500]
    assert any(status is None or status == 503 for status in answers)
    house.assert_right(*numbers.values())
    # Nothing is dialled of which there is no row.
    rows = house.database.rows('SELECT sid FROM caller_call WHERE "to" = %s', refused)
    assert len(twilio.posts_to(refused)) == len(rows)


def was_recorded(house: House, number: str) -> bool:
    call = house.twilio.call_to(number) or {"recordings": []}
    return any(one["status"] == "completed" for one in call["recordings"])


def dial_anyway(house: House, number: str) -> None:
    url = f"{house.site}/dial/{number[1:]}/"
    try:
        house.session.get(url, headers=TYPED, timeout=60)
    except requests.RequestException:
        return


def tally(answers: list[int | None]) -> str:
    counts = {str(status or "not at all"): answers.count(status) for status in answers}
    return ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
