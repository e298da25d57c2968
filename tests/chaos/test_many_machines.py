"""Two web servers and three workers, each on its own machine, share one PostgreSQL."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.chaos import machines
from tests.chaos.databases import Database, PostgresMaker
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.house import House, Process, new_number
from tests.chaos.machines import Machine, Network
from tests.chaos.relay import Relay
from tests.chaos.waiting import until, until_started

pytestmark = pytest.mark.slow

CALLS = 18
CUT_OFF_SECONDS = 30
# Less than CUT_OFF_SECONDS, so other workers take over from the cut-off worker.
LEASE_SECONDS = 20
# The concurrency of each worker, and how long AssemblyAI takes for an upload.
AT_ONCE, UPLOAD_SECONDS = 2, 5
WEB_PORT = 8000
# Settings with the URLs of shared servers, and the port if the URL has none.
SERVERS = {
    "DATABASE_URL": 5432,
    "TASK_BROKER_URL": 5672,
    "TWILIO_API_URL": 80,
    "ASSEMBLYAI_API_URL": 80,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    try:
        made = PostgresMaker()
    except psycopg.OperationalError as error:
        skip_or_fail_in_ci(f"no PostgreSQL answers: {error}")
    with made.fresh(tmp_path) as database:
        yield database
    made.close()


@pytest.fixture
def network() -> Iterator[Network]:
    if not machines.are_possible():
        # Skip in CI, too: a container may not be allowed to create namespaces.
        pytest.skip("network namespaces need root and iproute2")
    network = Network()
    yield network
    network.close()


def share(house: House, network: Network, machine: Machine) -> None:
    """Let a machine reach the database, the broker (if any) and both vendors."""
    ports = []
    for name, port in SERVERS.items():
        parts = urlsplit(house.environ.get(name, ""))
        if not parts.hostname:
            continue
        server = (parts.hostname, parts.port or port)
        ports.append(f"{server[1]}={Relay(server, host=network.here).port}")
    command = [sys.executable, "-m", "tests.chaos.relay", network.here, *ports]
    relay = house.start("relay", *machine.command(*command))
    until_started(
        "the relay is ready", relay.popen, lambda: "ready" in relay.log.read_text()
    )


def web_server_on(house: House, machine: Machine) -> Process:
    command = [sys.executable, "-m", "gunicorn", "djtranscribe.wsgi"]
    command += ["--bind", f"0.0.0.0:{WEB_PORT}", "--threads", "8"]
    return house.start("web", *machine.command(*command))


def worker_on(house: House, machine: Machine) -> Process:
    command = [sys.executable, "manage.py", "worker", "--concurrency", str(AT_ONCE)]
    return house.start("worker", *machine.command(*command))


def test_machines_on_one_postgresql_that_die_or_are_cut_off_lose_nothing(
    new_house, network, counted
):
    house: House = new_house(LEASE_SECONDS=str(LEASE_SECONDS))
    webs = [network.machine() for _ in range(2)]
    computers = [network.machine() for _ in range(3)]
    for machine in (*webs, *computers):
        share(house, network, machine)
    balancer = Relay(*((web.address, WEB_PORT) for web in webs))
    house.site = house.environ["BASE_URL"] = f"http://127.0.0.1:{balancer.port}"
    servers = [web_server_on(house, machine) for machine in webs]
    until("both web servers answer", lambda: all(map(answers, webs)))
    # Make uploads slow, so that all workers are busy at the same time.
    house.assemblyai.fault("POST /v2/upload$", times=CALLS, hang_after=UPLOAD_SECONDS)
    numbers = [new_number() for _ in range(CALLS)]
    with ThreadPoolExecutor(4) as operators:
        list(operators.map(house.dial, numbers))
    # Start the workers only now. If this test dials slowly, they would otherwise finish
    # each call before the next one, and never all be busy at the same time.
    workers = [worker_on(house, machine) for machine in computers]

    def steps() -> list[int]:
        return [worker.log.read_text().count(" done") for worker in workers]

    until("they are at work", lambda: in_hand(house) == 3 * AT_ONCE and all(steps()))
    workers[0].kill()
    with computers[1].cut_off():
        time.sleep(CUT_OFF_SECONDS)
    for number in numbers:
        house.completed(number)

    did = steps()
    served = [web.log.read_text().count("dial=placed") for web in servers]
    counted(
        f"{CALLS} calls, web servers placed {served}, steps of the worker killed, cut "
        f"off for {CUT_OFF_SECONDS} s, left alone: {did}"
    )
    assert all(served)
    # The worker that was cut off did not exit.
    assert workers[1].popen.poll() is None
    house.assert_right(*numbers)


def answers(machine: Machine) -> bool:
    try:
        Relay.connect((machine.address, WEB_PORT)).close()
    except OSError:
        return False
    return True


def in_hand(house: House) -> int:
    """Return how many transcripts are leased now."""
    rows = house.database.rows(
        "SELECT id FROM transcription_transcript WHERE lease IS NOT NULL"
    )
    return len(rows)
