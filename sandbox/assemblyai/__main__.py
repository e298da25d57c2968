"""python -m sandbox.assemblyai: run the AssemblyAI stand-in on this machine."""

import importlib.util
import os
import sys
from pathlib import Path

from sandbox.web import cli

DESCRIPTION = """A stand-in for AssemblyAI on 127.0.0.1: its API for recorded audio,
with real, offline speech recognition by Moonshine and PocketSphinx. It recognises only
English, and is less accurate than AssemblyAI. Open the printed address in a browser to
see the jobs. The key is read from the environment variable ASSEMBLYAI_KEY, because
other users can see a process's arguments."""


def main() -> None:
    parser = cli.parser("assemblyai", DESCRIPTION, 8002)
    options = parser.parse_args()
    key = os.environ.get("ASSEMBLYAI_KEY")
    if not key:
        parser.error("the environment variable ASSEMBLYAI_KEY is missing")
    if importlib.util.find_spec("pocketsphinx") is None:
        sys.exit("PocketSphinx is missing: pip install -r sandbox/requirements.txt")
    cli.configure_django("sandbox.assemblyai.urls", Path(__file__).parent / "templates")
    from sandbox.assemblyai import jobs, recogniser
    from sandbox.assemblyai.state import account

    account.key = account.first_key = key
    account.pace = options.pace

    def ready(address: str) -> None:
        account.base_url = address
        jobs.start()

    cli.serve(
        f"AssemblyAI stand-in ({recogniser.name()})",
        options,
        ready=ready,
        stop=jobs.stop,
    )


if __name__ == "__main__":
    main()
