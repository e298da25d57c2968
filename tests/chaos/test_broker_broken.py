"""The message broker is away or loses messages, and a worker is killed."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis
from kombu import Connection

from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.house import House, new_number
from tests.chaos.relay import Relay
from tests.chaos.waiting import is_open, until

pytestmark = pytest.mark.slow

BROKERS = {
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
    "redis": "redis://127.0.0.1:6379/5",
}
AWAY_SECONDS = 20


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> str:
    url = BROKERS[request.param]
    if not is_open(urlsplit(url).port or 0):
        skip_or_fail_in_ci(f"no {request.param} answers")
    return url


@pytest.fixture
def relay(broker: str) -> Iterator[Relay]:
    relay = Relay(("127.0.0.1", urlsplit(broker).port or 0))
    yield relay
    relay.close()


def waiting(house: House) -> int:
    said = house.manage(
        *("shell", "--no-imports", "--command"),
        "from djtranscribe.worker.engines import engine; print(engine().waiting())",
    )
    return int(said)


def forget(broker: str, house: House) -> None:
    """Let the broker lose all messages of this site."""
    queue = house.manage(
        *("shell", "--no-imports", "--command"),
        "from djtranscribe.worker.celery_app import queue; print(queue())",
    ).strip()
    if broker.startswith("redis"):
        server = redis.Redis.from_url(broker)
        # Each priority has its own list. All names begin with the name of the queue.
        for key in server.scan_iter(f"{queue}*"):
            server.delete(key)
        return
    with Connection(broker) as connection:
        connection.channel().queue_purge(queue)


def test_broker_data_loss_or_outage_loses_no_transcript(
    new_house, counted, broker, relay
):
    url = broker.replace(f":{urlsplit(broker).port}", f":{relay.port}")
    house: House = new_house(TASK_BROKER_URL=url, LEASE_SECONDS="20")
    house.start_web()
    forgotten = [new_number() for _ in range(3)]
    for number in forgotten:
        house.dial(number)
    until("each has a transcript", lambda: all(map(house.transcripts, forgotten)))
    until("each has a message", lambda: waiting(house) >= len(forgotten))

    def none_is_left() -> bool:
        forget(broker, house)
        return waiting(house) == 0

    # The web server may still be sending a message, so forget again until none is left.
    until("no message is left", none_is_left)

    began = time.monotonic()
    worker = house.start_worker()
    for number in forgotten:
        house.completed(number)
    swept = time.monotonic() - began

    during = [new_number() for _ in range(3)]
    with relay.away():
        began = time.monotonic()
        for number in during:
            house.dial(number)
        until("they were recorded", lambda: all(map(house.transcripts, during)))
        recorded = time.monotonic() - began
        time.sleep(max(0, AWAY_SECONDS - recorded))
    for number in during:
        house.completed(number)

    killed = new_number()
    hold = house.to_twilio.hold("GET .*[.]wav", of_answer=30_000)
    house.dial(killed)
    until("the worker is amid a download", hold.reached.is_set)
    worker.kill()
    house.start_worker()
    house.completed(killed)

    answers = {delivery["status"] for delivery in house.twilio.deliveries()}
    counted(
        f"broker: {len(forgotten)} forgotten messages replaced in {swept:.1f} s; away "
        f"for {AWAY_SECONDS} s: webhooks answered {sorted(answers)}"
    )
    # Every webhook was answered in time, with a success.
    assert answers <= {200, 204}
    house.assert_right(*forgotten, *during, killed)
