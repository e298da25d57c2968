"""Wait for another process, and fail with a readable message if it takes too long."""

import socket
import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T], seconds: float = 300) -> T:
    """Return the first truthy value of `look()`, or raise AssertionError after a time.

    what: the expected event, for the message of the error.
    seconds: the default is long, because CI can be ten times slower than a desktop.
    """
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what} (saw {seen!r})")
        time.sleep(0.05)


def until_started(
    what: str, process: "subprocess.Popen[bytes]", look: Callable[[], T]
) -> T:
    """Wait like `until`, but fail at once if the process has exited."""

    def look_if_alive() -> T:
        code = process.poll()
        assert code is None, f"the process exited with {code}: {what}"
        return look()

    return until(what, look_if_alive)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
