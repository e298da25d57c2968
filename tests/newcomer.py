"""Run the README's first command line like a newcomer: `python -m tests.newcomer`.

In a fresh clone with an empty home: start, dial, read the words, press Ctrl-C.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.live.operator import Operator

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 1800  # the command installs packages from a registry


def command_line(name: str) -> str:
    """Return the command line in the README after the marker `<!-- name -->`."""
    readme = (ROOT / "README.md").read_text()
    found = re.search(rf"<!-- {name} -->\n+```sh\n(.*?)\n```", readme, re.DOTALL)
    assert found, f"README.md has no command line marked {name}"
    return found.group(1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder, "clone"), Path(folder, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        kept = {"PATH", "LANG"} | {name for name in os.environ if "CERT" in name}
        kept |= {name for name in os.environ if name.startswith("PIP_")}
        environ = {name: os.environ[name] for name in kept & os.environ.keys()}
        environ["HOME"] = str(home)
        process = subprocess.Popen(
            ["bash", "-c", command_line("sandbox")],
            cwd=clone,
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            site = wait_until_ready(process)
            operator = Operator(site)
            text = operator.text_of(operator.dial("14155551234"))
            assert len(text.split()) > 5, text
            print(f"The words on the page: {text}")
        finally:
            # Signal every process of the group, as Ctrl-C does in a terminal.
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=120)
        deadline = time.monotonic() + 60
        while (left := processes_in(clone)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not left, left
    print("Ctrl-C left no process.")


def wait_until_ready(process: "subprocess.Popen[str]") -> str:
    """Wait until the sandbox is ready. Return the site's URL from its output."""
    site = ""
    deadline = time.monotonic() + START_SECONDS
    assert process.stdout
    for line in process.stdout:
        print(line, end="", flush=True)
        if found := re.search(r"(http://localhost:\d+)/admin/", line):
            site = found.group(1)
        if "Ctrl-C" in line:
            return site
        assert time.monotonic() < deadline
    raise AssertionError("the sandbox ended by itself")


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of all processes that run in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = os.readlink(path.parent / "cwd")
        except OSError:
            continue  # the process has ended, or belongs to another user
        if where.startswith(str(folder)):
            found.append(line)
    return found


if __name__ == "__main__":
    main()
