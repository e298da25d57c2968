"""Fixtures for all tests: no network, files in a temporary folder, an operator."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import responses
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client, TransactionTestCase
from django_tasks_db.management.commands.db_worker import Worker
from twilio.request_validator import RequestValidator
from xdist.scheduler import LoadFileScheduling

from djtranscribe.vendors.models import no_pause_until
from tests import tables

FORM = "application/x-www-form-urlencoded"
# `--dist loadfile` runs all tests of a file in one process, because they share a
# sandbox. The tests of these files share nothing: they can run in several processes.
INDEPENDENT = {
    "tests/djtranscribe/test_database_locale.py",
    "tests/djtranscribe/test_settings.py",
    "tests/djtranscribe/vendors/test_deadlines.py",
    "tests/live/test_notifications.py",
    "tests/test_upgrade.py",
}
# The tests of these files start first, so that no process works alone at the end.
LONGEST = [
    "tests/live/test_accessibility.py",
    "tests/live/test_review.py",
    "tests/djtranscribe/api/test_openapi.py",
    "tests/live/test_browser_dial.py",
    "tests/caller/test_dialling.py",
    "tests/test_benchmarks.py",
    "tests/test_upgrade.py",
    "tests/djtranscribe/test_database_locale.py",
]
ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=place)


def place(item: pytest.Item) -> int:
    """Return the sort key of a test: LONGEST first, INDEPENDENT last.

    All tests that are not slow get the same key, to keep pytest-django's order.
    """
    if "slow" not in item.keywords:
        return len(LONGEST)
    file = item.path.relative_to(ROOT).as_posix()
    if file in LONGEST:
        return LONGEST.index(file)
    return len(LONGEST) + (file in INDEPENDENT)


class ByFile(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return nodeid if file in INDEPENDENT else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Any
) -> LoadFileScheduling | None:
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    # Imported modules stay in memory, so the garbage collector can skip them.
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(autouse=True)
def vendors() -> Iterator[responses.RequestsMock]:
    """Mock the internet. It only gives the answers that the test defines.

    Any other request makes the test fail, even if the product catches the error.
    Requests to this machine pass, because the stand-ins run here.
    """
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_passthru("http://127.0.0.1:")
        mock.add_passthru("http://localhost:")
        yield mock
        unexpected = [
            f"{call.request.method} {call.request.url}"
            for call in mock.calls
            if "Connection refused by Responses" in str(call.response)
        ]
    assert not unexpected


@pytest.fixture(autouse=True)
def pauses() -> None:
    """Clear a cache that the last test may have filled."""
    no_pause_until.clear()


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Any) -> Any:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """On SQLite, give Django a test database with the tables of an earlier test run.

    Django then finds nothing to migrate. Without such tables, it migrates as usual.
    """
    if connection.vendor != "sqlite":
        yield
        return
    name = connection.creation._get_test_db_name()  # type: ignore[attr-defined]
    with tables.sqlite_in_memory(name):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """After a transactional test, restore the rows that the migrations made.

    Django would empty all tables. This takes ten times as long, and our groups would be
    missing.
    """
    with ExitStack() as stack:
        with django_db_blocker.unblock():
            put_back = stack.enter_context(tables.copied_rows(connection))

        def restore(test: TransactionTestCase) -> None:
            assert not connection.in_atomic_block
            put_back()

        at = stack.enter_context(pytest.MonkeyPatch.context())
        at.setattr(TransactionTestCase, "_fixture_teardown", restore)
        yield


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    """Create a database with all tables in the test's folder, for other processes."""
    return tables.new_sqlite(tmp_path / "db.sqlite3")


@pytest.fixture
def operator(db: None) -> User:
    """Create an operator who may dial and read, but nothing else."""
    user = User.objects.create_user("ada", password="secret", is_staff=True)
    may = ["add_call", "view_call", "view_recording", "view_transcript"]
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    return user


@pytest.fixture
def browser(client: Client, operator: User) -> Client:
    """Return Django's test client, with the operator logged in."""
    client.force_login(operator)
    return client


@pytest.fixture
def signed_post(client: Client, settings: Any) -> Callable[..., HttpResponse]:
    """Return a function that posts a form like Twilio, signed for our public URL."""

    def post(path: str, fields: dict[str, str]) -> HttpResponse:
        validator = RequestValidator(settings.TWILIO_AUTH_TOKEN)
        url = f"https://djtranscribe.example.com{path}"
        signature = validator.compute_signature(url, fields)
        headers = {"X-Twilio-Signature": signature}
        return client.post(path, urlencode(fields), content_type=FORM, headers=headers)

    return post


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets the answer to questions on the terminal."""

    def answer(text: str) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("builtins.input", lambda question: text)

    return answer


@pytest.fixture
def work(transactional_db: None) -> Callable[[], None]:
    """Return a function that runs every message in the queue.

    A message for a call or transcript that is not due yet changes nothing.
    """

    def run() -> None:
        Worker(
            queue_names=["*"],
            interval=0,
            batch=True,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id="tests",
            excluded_queue_names=[],
        ).run()

    return run
