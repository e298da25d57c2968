from collections.abc import Iterator

import pytest

from tests.live.operator import Operator
from tests.live.sandbox import Sandbox, running


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox"), pace=0.1) as sandbox:
        yield sandbox


@pytest.fixture
def operator(sandbox: Sandbox) -> Operator:
    return Operator(sandbox.site)


@pytest.fixture(autouse=True)
def offline() -> None:
    """These tests talk to the stand-ins on this machine, over real sockets."""
