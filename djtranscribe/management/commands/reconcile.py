import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from caller import twilio_client
from caller.models import Call, Recording
from caller.tasks import ask_twilio
from caller.twilio_client import CallState, RecordingState
from djtranscribe.errors import VendorError
from djtranscribe.logs import quiet
from transcription import assemblyai_client
from transcription.models import Transcript
from transcription.tasks import advance, start

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
BAR = 24
# The calls of today go first.
LOW_PRIORITY = -50

Item = TypeVar("Item")


class Row:
    """A line of the table: what was compared, missing here, mended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.compared = self.missing = self.mended = self.foreign = 0

    def found(self, *, mended: bool) -> None:
        self.missing += 1
        self.mended += mended


class Command(BaseCommand):
    help = (
        "Compare with what Twilio and AssemblyAI have, and mend what is missing here: "
        "states of calls, recordings, results. Run twice, it mends nothing the second "
        "time. With --all it also takes in recordings that were not made from here."
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
            help="also take in, and transcribe at low priority, the account's "
            "recordings that were not made from here",
        )
        parser.add_argument(
            "--limit",
            type=int,
            default=100,
            metavar="N",
            help="of those, take in at most so many (default: %(default)s)",
        )

    def handle(
        self, *, since: timedelta, all: bool, limit: int, **options: Any
    ) -> None:
        begin = timezone.now() - since
        table = [
            Row("Calls at Twilio"),
            Row("Recordings at Twilio"),
            Row("Transcripts here"),
            Row("Jobs at AssemblyAI"),
        ]
        try:
            with quiet():
                self.calls(table[0], begin)
                self.recordings(table[1], begin, limit if all else 0)
                self.transcripts(table[2], begin)
                self.jobs(table[3], begin)
        except VendorError as error:
            self.print_table(table)
            raise CommandError(f"Stopped half-way: {error.message}") from error
        self.print_table(table)

    def calls(self, row: Row, begin: datetime) -> None:
        # Of these Twilio's answer was lost: they have no SID to be found by.
        lost = Call.objects.unfinished().filter(sid=None, created_at__gte=begin)
        for call in lost:
            ask_twilio(call)
            call.refresh_from_db()
            row.found(mended=bool(call.sid) or call.is_finished)
        for news in self.each(row, twilio_client.calls_since(begin)):
            known = Call.objects.filter(sid=news.sid).first()
            if known is None:
                row.foreign += 1
            elif differs(known, news):
                known.apply(news)
                row.found(mended=not differs(known, news))

    def recordings(self, row: Row, begin: datetime, take_in: int) -> None:
        for news in self.each(row, twilio_client.recordings_since(begin)):
            known = Recording.objects.filter(sid=news.sid).first()
            if known and (known.is_finished or known.status == news.status):
                continue
            call = Call.objects.filter(sid=news.call_sid).first()
            if call:
                row.found(mended=bool(Recording.record(news, call)))
            elif take_in > 0 and news.status == Recording.Status.COMPLETED:
                take_in -= 1
                row.found(mended=bool(take_over(news, begin)))
            else:
                row.foreign += 1

    def transcripts(self, row: Row, begin: datetime) -> None:
        completed = Recording.objects.filter(
            status=Recording.Status.COMPLETED, created_at__gte=begin
        )
        row.compared = completed.count()
        for recording in completed.filter(transcripts=None):
            start(recording)
            row.found(mended=True)

    def jobs(self, row: Row, begin: datetime) -> None:
        for job in self.each(row, assemblyai_client.list_jobs(begin)):
            ours = Transcript.objects.filter(assemblyai_id=job["id"]).first()
            if ours is None:
                lost = (Transcript.Status.SUBMITTING, Transcript.Status.LOST)
                waiting = Transcript.objects.filter(status__in=lost)
                ours = waiting.filter(audio_url=job.get("audio_url")).first()
            if ours is None:
                row.foreign += 1
            elif not ours.is_finished and job.get("status") in Transcript.FINISHED:
                unfinished = Transcript.objects.unfinished().filter(pk=ours.pk)
                unfinished.update(next_attempt_at=timezone.now())
                advance.call(ours.pk)
                ours.refresh_from_db()
                row.found(mended=ours.is_finished)

    def each(self, row: Row, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a progress bar on a terminal."""
        found = list(items)
        for done, item in enumerate(found, start=1):
            self.progress(row.name, done, len(found))
            row.compared += 1
            yield item

    def progress(self, name: str, done: int, total: int) -> None:
        if not self.stderr.isatty():
            return
        bar = "#" * (BAR * done // total)
        end = "\r\x1b[K" if done == total else ""
        self.stderr.write(f"\r{name:<21} [{bar:<{BAR}}] {done}/{total}{end}", ending="")
        self.stderr.flush()

    def print_table(self, table: list[Row]) -> None:
        self.stdout.write(f"{'':<21}{'compared':>10}{'missing':>10}{'mended':>10}")
        for row in table:
            self.stdout.write(
                f"{row.name:<21}{row.compared:>10}{row.missing:>10}{row.mended:>10}"
            )
        foreign = sum(row.foreign for row in table)
        if foreign:
            self.stdout.write(
                f"{foreign} of these were not made from here and were left alone; "
                "--all takes in their recordings."
            )


def parse_age(value: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([hdw])", value)
    if not found:
        raise CommandError(f"--since {value}: write 12h, 7d or 4w.")
    return int(found.group(1)) * UNITS[found.group(2)]


def differs(call: Call, news: CallState) -> bool:
    """Whether Twilio knows more of this call than we."""
    is_behind = Call.rank(news.status) > call.reached
    return is_behind or (news.price is not None and call.price != news.price)


def take_over(news: RecordingState, begin: datetime) -> Recording | None:
    """A recording that was not made from here: its call becomes a row, too."""
    state = twilio_client.fetch_call(news.call_sid)
    call = Call(
        sid=state.sid,
        to=state.to[:16],
        from_number=settings.TWILIO_PHONE_NUMBER,
        status=state.status[:20],
        next_check_at=None,
        # Not today's: it uses up no limit of today.
        created_at=state.created_at or begin,
    )
    if not call.is_finished:
        return None
    call.save()
    call.apply(state)
    return Recording.record(news, call, LOW_PRIORITY)
