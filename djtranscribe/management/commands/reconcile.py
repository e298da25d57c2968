import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from caller.models import Call, Recording
from caller.tasks import ask_twilio
from caller.twilio import client as twilio_client
from caller.twilio.client import CallState, RecordingState
from caller.twilio.errors import NOT_FOUND, TwilioError
from djtranscribe.logs import quiet
from djtranscribe.models import WebhookDelivery
from djtranscribe.vendors.errors import VendorError
from transcription.assemblyai import client as assemblyai_client
from transcription.models import LeaseLost, Transcript
from transcription.receivers import transcribe
from transcription.tasks import advance, find_orphan, keep_job

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
BAR = 24
# The calls of today go first.
LOW_PRIORITY = -50
# Here a job may exist that the row does not know.
UNANSWERED = (Transcript.Status.SUBMITTING, Transcript.Status.LOST)

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
        "time. With --all it also takes in recordings that were not made from here. "
        "What was deleted here on purpose is not brought back."
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
        told = told_before()
        for news in self.each(row, twilio_client.recordings_since(begin)):
            known = Recording.objects.filter(sid=news.sid).first()
            if known and (known.is_finished or known.status == news.status):
                continue
            if not known and news.sid in told:
                # Somebody deleted it here: words that must not come back.
                continue
            call = Call.objects.filter(sid=news.call_sid).first()
            if call:
                row.found(mended=bool(Recording.record(news, call)))
            elif take_in > 0 and news.status == Recording.Status.COMPLETED:
                theirs = call_at_twilio(news)
                if theirs is None:
                    row.foreign += 1
                    continue
                take_in -= 1
                row.found(mended=bool(take_over(news, theirs, begin)))
            else:
                row.foreign += 1

    def transcripts(self, row: Row, begin: datetime) -> None:
        completed = Recording.objects.filter(
            status=Recording.Status.COMPLETED, created_at__gte=begin
        )
        row.compared = completed.count()
        # Twilio's audio is fetched for a transcript only: where it is stored and has
        # none, somebody deleted that.
        never_had_one = completed.filter(transcripts=None, fetched_at=None)
        for pk in list(never_had_one.values_list("pk", flat=True)):
            if start_once(pk):
                row.found(mended=True)

    def jobs(self, row: Row, begin: datetime) -> None:
        for job in self.each(row, assemblyai_client.list_jobs(begin)):
            ours = Transcript.objects.filter(assemblyai_id=job["id"]).first()
            if ours is None:
                waiting = Transcript.objects.filter(status__in=UNANSWERED)
                lost = waiting.filter(audio_url=job.get("audio_url")).first()
                if lost is None:
                    row.foreign += 1
                elif adopted(lost):
                    if job.get("status") in Transcript.FINISHED:
                        advance.call(lost.pk)
                    row.found(mended=True)
            elif ours.is_unread and job.get("status") in Transcript.FINISHED:
                # One that was given up, though its job went well, is taken up again.
                ours.retry()
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


def told_before() -> set[str]:
    """The SIDs of recordings that Twilio told us of, and that we stored then."""
    accepted = WebhookDelivery.objects.of_stored_recordings()
    return set(accepted.values_list("body__RecordingSid", flat=True))


def call_at_twilio(news: RecordingState) -> CallState | None:
    """The call of a recording that was not made from here; None if there is none."""
    if not twilio_client.CALL_SID.fullmatch(news.call_sid):
        # A conference's, or a video room's.
        return None
    try:
        return twilio_client.fetch_call(news.call_sid)
    except TwilioError as error:
        if error.code == NOT_FOUND:
            # Deleted there; its recording stayed.
            return None
        raise


def take_over(
    news: RecordingState, state: CallState, begin: datetime
) -> Recording | None:
    """A recording that was not made from here: its call becomes a row, too."""
    if state.status not in Call.FINISHED:
        return None
    # Both or neither: a call alone would look like one of ours when this runs again.
    with transaction.atomic():
        call, _ = Call.objects.get_or_create(
            sid=state.sid,
            defaults={
                "to": state.to[:16],
                "from_number": settings.TWILIO_PHONE_NUMBER,
                "status": state.status,
                "next_check_at": None,
                # Not today's: it uses up no limit of today.
                "created_at": state.created_at or begin,
            },
        )
        call.apply(state)
        return Recording.record(news, call, LOW_PRIORITY)


def start_once(pk: int) -> bool:
    """A transcript for a recording that has none; of two who see that, one starts it.

    With it the call's keyword list, as if the recording had been told just now.
    """
    with transaction.atomic():
        recording = Recording.objects.select_for_update().filter(pk=pk).first()
        if recording is None or recording.transcripts.exists():
            return False
        transcribe(recording=recording, priority=0)
    return True


def adopted(transcript: Transcript) -> bool:
    """Give a row whose request got no answer its job, unless a worker is at it.

    Claimed whether it is due or not: nothing is cut short of what it waits for, since
    its job is listed already.
    """
    lease = uuid4()
    rows = Transcript.objects.filter(pk=transcript.pk)
    free = rows.filter(status__in=UNANSWERED).unclaimed(timezone.now())
    if not free.update(lease=lease, leased_until=Transcript.lease_end()):
        return False
    transcript = rows.get()
    try:
        job = find_orphan(transcript)
        if job:
            keep_job(transcript, job, wait=timedelta())
        return bool(job)
    except LeaseLost:
        return False
    finally:
        # Without its job it waits on as before.
        rows.filter(lease=lease).update(lease=None, leased_until=None)
