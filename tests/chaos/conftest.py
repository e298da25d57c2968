"""Fixtures for fault injection with real processes and real sockets.

`pytest -m slow tests/chaos` runs these tests. Most of them run on SQLite, and on
PostgreSQL if a server answers.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos.databases import Database, PostgresMaker, SqliteMaker
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.house import House
from tests.chaos.vendors import AssemblyAI, Twilio, running

Maker = SqliteMaker | PostgresMaker
NewHouse = Callable[..., House]


@pytest.fixture(autouse=True, name="vendors")
def no_mock_of_the_internet() -> None:
    """Mock nothing: these tests talk to the stand-ins over real sockets."""


@pytest.fixture(scope="session")
def stand_ins(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Twilio, AssemblyAI]]:
    folder = tmp_path_factory.mktemp("stand-ins")
    with ExitStack() as stack:
        urls = [
            stack.enter_context(running(folder, name))
            for name in ("twilio", "assemblyai")
        ]
        assemblyai = AssemblyAI(urls[1])
        assemblyai.warm_up()
        yield Twilio(urls[0]), assemblyai


@pytest.fixture
def twilio(stand_ins: tuple[Twilio, AssemblyAI]) -> Twilio:
    stand_ins[0].forget()
    return stand_ins[0]


@pytest.fixture
def assemblyai(stand_ins: tuple[Twilio, AssemblyAI]) -> AssemblyAI:
    stand_ins[1].forget()
    return stand_ins[1]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def maker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Maker]:
    if request.param == "sqlite":
        made: Maker = SqliteMaker(tmp_path_factory.mktemp("template"))
    else:
        try:
            made = PostgresMaker()
        except psycopg.OperationalError as error:
            skip_or_fail_in_ci(f"no PostgreSQL answers: {error}")
    yield made
    made.close()


@pytest.fixture
def database(maker: Maker, tmp_path: Path) -> Iterator[Database]:
    with maker.fresh(tmp_path) as database:
        yield database


@pytest.fixture
def new_house(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database: Database,
    twilio: Twilio,
    assemblyai: AssemblyAI,
) -> Iterator[NewHouse]:
    """Return a function that creates a `House` with given settings.

    After the test, its processes are stopped, and their logs are searched for secrets.
    """
    houses: list[House] = []

    def build(**settings: str) -> House:
        houses.append(House(tmp_path, database, twilio, assemblyai, **settings))
        request.node.house = houses[-1]
        return houses[-1]

    yield build
    for house in houses:
        house.stop()
    for house in houses:
        house.assert_logs_keep_secrets()


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that prints a line now, and again after the last test."""
    where = request.node.callspec.id if hasattr(request.node, "callspec") else ""

    def say(line: str) -> None:
        print(line)
        # pytest copies user_properties to the report, even from an xdist process.
        request.node.user_properties.append(("counted", f"{where:21}{line}"))

    return say


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    house: House | None = getattr(item, "house", None)
    if report.when == "call" and report.failed and house:
        for log in house.logs:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-60:])
            report.sections.append((log.name, end))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = [
        line
        for report in terminalreporter.getreports("passed")
        for name, line in report.user_properties
        if name == "counted" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("injected faults, and what was counted")
        for line in lines:
            terminalreporter.line(line)
