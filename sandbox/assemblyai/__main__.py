"""python -m sandbox.assemblyai: speech to text on this machine."""

import importlib.util
import os
import sys
from pathlib import Path

from sandbox.web import cli

DESCRIPTION = """A stand-in for AssemblyAI on 127.0.0.1: its API for recorded audio, and
speech really recognised, offline, by PocketSphinx. English WAV files only; its accuracy
is not AssemblyAI's. Open the printed address in a browser to watch. The key comes from
the environment variable ASSEMBLYAI_KEY, since others can read a process's arguments."""


def main() -> None:
    parser = cli.parser("assemblyai", DESCRIPTION, 8002)
    options = parser.parse_args()
    key = os.environ.get("ASSEMBLYAI_KEY")
    if not key:
        parser.error("the environment variable ASSEMBLYAI_KEY is missing")
    if importlib.util.find_spec("pocketsphinx") is None:
        sys.exit("PocketSphinx is missing: pip install -r sandbox/requirements.txt")
    cli.configure_django("sandbox.assemblyai.urls", Path(__file__).parent / "templates")
    from sandbox.assemblyai import jobs
    from sandbox.assemblyai.state import account

    account.key = account.first_key = key
    account.pace = options.pace

    def ready(address: str) -> None:
        account.base_url = address
        jobs.start()

    cli.serve("AssemblyAI stand-in", options, ready=ready, stop=jobs.stop)


if __name__ == "__main__":
    main()
