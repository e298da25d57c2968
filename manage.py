#!/usr/bin/env python3
"""Django's command line. `manage.py help` lists the commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djtranscribe.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed here. Run the first command line of README.md, "
            "or: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt, "
            "then use .venv/bin/python manage.py"
        ) from error
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        raise SystemExit(
            f"{error}\nChange this setting in .env or in the environment."
        ) from error


if __name__ == "__main__":
    main()
