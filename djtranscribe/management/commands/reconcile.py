import re
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from djtranscribe.logs import log_only_warnings
from djtranscribe.management import reconciliation
from djtranscribe.management.reconciliation import Row
from djtranscribe.vendors.errors import VendorError

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
BAR_WIDTH = 24


class Command(BaseCommand):
    help = (
        "Compare this site's data with Twilio's and AssemblyAI's, and repair what is "
        "missing: statuses of calls, recordings, results. You can run it again at any "
        "time. With --all it also imports recordings that do not come from this site. "
        "Rows that were deleted here are not restored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=parse_age,
            default="7d",
            metavar="AGE",
            help="how far back to look: 12h, 7d, 4w (default: %(default)s)",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="also import, and transcribe at low priority, the account's "
            "recordings that do not come from this site",
        )
        parser.add_argument(
            "--limit",
            type=int,
            default=100,
            metavar="N",
            help="--all imports at most this many recordings (default: %(default)s)",
        )

    def handle(
        self, *, since: timedelta, all: bool, limit: int, **options: Any
    ) -> None:
        begin = timezone.now() - since
        table = [
            Row("Calls at Twilio", self.progress),
            Row("Recordings at Twilio", self.progress),
            Row("Transcripts here", self.progress),
            Row("Jobs at AssemblyAI", self.progress),
        ]
        try:
            with log_only_warnings():
                reconciliation.calls(table[0], begin)
                reconciliation.recordings(table[1], begin, limit if all else 0)
                reconciliation.transcripts(table[2], begin)
                reconciliation.jobs(table[3], begin)
        except VendorError as error:
            self.print_table(table, hint=not all)
            raise CommandError(f"Stopped half-way: {error.message}") from error
        self.print_table(table, hint=not all)

    def progress(self, name: str, done: int, total: int) -> None:
        """Show a progress bar, but only on a terminal."""
        if not self.stderr.isatty():
            return
        bar = ("#" * (BAR_WIDTH * done // total)).ljust(BAR_WIDTH)
        end = "\r\x1b[K" if done == total else ""
        self.stderr.write(f"\r{name:<21} [{bar}] {done}/{total}{end}", ending="")
        self.stderr.flush()

    def print_table(self, table: list[Row], hint: bool) -> None:
        """Print the table and notes. hint: whether to recommend --all."""
        self.stdout.write(f"{'':<21}{'compared':>10}{'missing':>10}{'repaired':>10}")
        for row in table:
            self.stdout.write(
                f"{row.name:<21}{row.compared:>10}{row.missing:>10}{row.repaired:>10}"
            )
        repaired_early = sum(row.repaired_early for row in table)
        if repaired_early:
            self.stdout.write(
                f"Repaired, but would soon have come by themselves: {repaired_early}."
            )
        still_changing = sum(row.still_changing for row in table)
        if still_changing:
            self.stdout.write(
                "Rows that changed a moment ago or are being worked on: "
                f"{still_changing}. Run reconcile again to compare them."
            )
        foreign = sum(row.foreign for row in table)
        if foreign:
            use_all = " Use --all to import their recordings." if hint else ""
            self.stdout.write(
                f"Skipped because they do not come from this site: {foreign}.{use_all}"
            )


def parse_age(value: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([hdw])", value)
    if not found:
        raise ArgumentTypeError(f"{value!r}: write 12h, 7d or 4w.")
    return int(found.group(1)) * UNITS[found.group(2)]
