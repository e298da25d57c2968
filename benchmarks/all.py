"""Run the named benchmarks, or all benchmarks.

    python -m benchmarks.all [NAME ...]

All benchmarks together take less than 30 minutes. Prints the output of each benchmark.
Then prints how long each benchmark took, and whether its goals were met. Exits with 1
if a goal was missed.
"""

import argparse
import subprocess
import sys
import time

from benchmarks.site import ROOT

RUNS = {
    "webhooks": [],
    "worker": [],
    "memory": [],
    "load_webhooks": ["--calls", "1000", "--seconds", "15"],
    "search": ["100000"],
    "lists": ["100000"],
    "transcript_page": [],
    "sizes": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    names = parser.parse_args().names or list(RUNS)
    if unknown := set(names) - RUNS.keys():
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    summary = []
    for name in names:
        print(f"\n== {name} {' '.join(RUNS[name])}", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *RUNS[name]],
            cwd=ROOT,
            check=False,
        )
        result = "met" if done.returncode == 0 else "MISSED or failed"
        minutes = (time.monotonic() - began) / 60
        summary.append(f"{name:16} {minutes:5.1f} min   {result}")
    print("\n" + "\n".join(summary))
    if any("MISSED" in line for line in summary):
        sys.exit(1)


if __name__ == "__main__":
    main()
