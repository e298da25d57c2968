"""Processes that tests start in an environment of their own count for the coverage."""

import os


def measured() -> dict[str, str]:
    """Return what coverage.py needs in the environment, if it runs."""
    return {
        name: value for name, value in os.environ.items() if name.startswith("COVERAGE")
    }
