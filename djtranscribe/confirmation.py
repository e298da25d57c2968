import sys

from django.core.management.base import CommandError


def confirm(question: str, refusal: str) -> None:
    """Ask a question on the terminal. Raise CommandError unless the answer is yes.

    refusal: the error for another answer, such as "Nothing was changed."
    """
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal for a question. Add --yes.")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError(refusal)
