"""Compare our rows with what the vendors have, and repair the rows.

`calls`, `recordings`, `transcripts` and `jobs` each fill one row of the table that
`manage.py reconcile` prints. Each function compares what was created since `begin`, and
can raise VendorError.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from datetime import timezone as tz
from typing import Any, TypeVar
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from caller import foreign
from caller.call_check import ask_twilio
from caller.models import Call, Recording, Tombstone
from caller.models.phone_status import PhoneStatus
from caller.twilio import client as twilio_client
from caller.twilio.states import CallState
from transcription.assemblyai import client as assemblyai_client
from transcription.assemblyai.orphans import find_orphan
from transcription.models import LeaseLost, Transcript
from transcription.steps import store_job
from transcription.tasks import advance, start

# A query looks for at most this many SIDs: old versions of SQLite accept no more than
# 999 parameters.
MAX_SIDS_PER_QUERY = 900
# In these statuses, AssemblyAI may have a job, but we do not know its id.
UNANSWERED = (Transcript.Status.SUBMITTING, Transcript.Status.LOST)

Item = TypeVar("Item")


class Row:
    """A line of the table: how many items differ between the vendor and this site.

    show_progress: called before each item, with `name`, the item's number (from 1) and
    the number of all items.
    """

    def __init__(
        self, name: str, show_progress: Callable[[str, int, int], None]
    ) -> None:
        self.name = name
        self.show_progress = show_progress
        self.compared = 0
        # `missing` counts the differences that our own checks should have found, and
        # `repaired` counts those of them that were repaired now.
        self.missing = self.repaired = 0
        # These count newer differences, which our own checks will find soon: those that
        # were repaired now, and those that were not. `still_changing` also counts jobs
        # that `find_and_store_job` did not store.
        self.repaired_early = self.still_changing = 0
        self.foreign = 0  # items that this site did not create

    def count_difference(
        self, *, repaired: bool, happened_at: datetime | None = None
    ) -> None:
        """Count a difference between the vendor's data and ours.

        happened_at: when the vendor's data changed. If this time is in the last
        RECOVER_SECONDS, the difference is new: our own checks would soon find it. If
        the time of the change is unknown, pass the time of our next check, which may be
        in the future (new), or None (not new).
        """
        recover = timedelta(seconds=settings.RECOVER_SECONDS)
        if happened_at and happened_at > timezone.now() - recover:
            self.repaired_early += repaired
            self.still_changing += not repaired
        else:
            self.missing += 1
            self.repaired += repaired

    def count_items(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items and count them."""
        listed = list(items)
        for done, item in enumerate(listed, start=1):
            self.show_progress(self.name, done, len(listed))
            self.compared += 1
            yield item


def calls(row: Row, begin: datetime) -> None:
    """Compare calls. Repair their status, their price, and missing SIDs."""
    # Ask Twilio about calls without a SID. Skip a call with a final status: we know
    # already that Twilio never made this call. Skip a conversation only if the status
    # of the operator's phone (the leg) is final, too.
    has_one_phone = ~Q(kind=Call.Kind.CONVERSATION)
    has_no_open_leg = has_one_phone | Q(leg__status__in=Call.FINISHED)
    lost = Call.objects.filter(sid=None, created_at__gte=begin)
    for call in lost.exclude(has_no_open_leg, status__in=Call.FINISHED):
        # The calls before this one may have taken minutes, so read the time again.
        call.refresh_from_db(fields=["next_check_at"])
        # ask_twilio changes this. If the check is not long overdue, perhaps our request
        # to Twilio still runs. Then the call is not missing.
        check_at = call.next_check_at
        ask_twilio(call)
        call.refresh_from_db()
        is_repaired = bool(call.sid) or call.is_finished
        row.count_difference(repaired=is_repaired, happened_at=check_at)
    for news in row.count_items(twilio_client.calls_since(begin)):
        known = Call.objects.filter(sid=news.parent_sid or news.sid).first()
        if known is None:
            row.foreign += 1
            continue
        phone = known.phone_of(news)
        if differs(phone, news):
            # Twilio does not tell when it set the price, so use the time of our next
            # check.
            is_behind = Call.rank(news.status) > phone.current_rank
            happened_at = news.last_event_at if is_behind else known.next_check_at
            known.apply(news)
            is_same = not differs(known.phone_of(news), news)
            row.count_difference(repaired=is_same, happened_at=happened_at)


def recordings(row: Row, begin: datetime, max_imports: int) -> None:
    """Compare recordings. Import at most `max_imports` that are not from this site."""
    listed = list(twilio_client.recordings_since(begin))
    sids = [sid for news in listed for sid in (news.sid, news.call_sid)]
    deleted = {
        sid
        for start in range(0, len(sids), MAX_SIDS_PER_QUERY)
        for sid in Tombstone.objects.sids(sids[start : start + MAX_SIDS_PER_QUERY])
    }
    for news in row.count_items(listed):
        known = Recording.objects.filter(sid=news.sid).first()
        if known and (known.is_finished or known.status == news.status):
            continue
        if not known and deleted & {news.sid, news.call_sid}:
            continue
        call = Call.objects.filter(sid=news.call_sid).first()
        if call:
            stored = Recording.record(news, call)
            row.count_difference(repaired=bool(stored), happened_at=news.updated_at)
        elif max_imports > 0 and news.status == Recording.Status.COMPLETED:
            theirs = foreign.fetch_call_of_recording(news)
            if theirs is None:
                row.foreign += 1
                continue
            max_imports -= 1
            row.count_difference(
                repaired=bool(foreign.import_recording(news, theirs, begin))
            )
        else:
            row.foreign += 1


def transcripts(row: Row, begin: datetime) -> None:
    """Start a transcript for each completed recording that never had one."""
    completed = Recording.objects.filter(
        status=Recording.Status.COMPLETED, created_at__gte=begin
    )
    row.compared = completed.count()
    never_had_one = completed.filter(transcripts=None, transcript_deleted_at=None)
    for pk in list(never_had_one.values_list("pk", flat=True)):
        if start_once(pk):
            row.count_difference(repaired=True)


def jobs(row: Row, begin: datetime) -> None:
    """Read missing results, and store missing job ids.

    A transcript has no job id if AssemblyAI's response to our request was lost.
    """
    for job in row.count_items(assemblyai_client.list_jobs(begin)):
        ours = Transcript.objects.filter(assemblyai_id=job["id"]).first()
        if ours is None:
            waiting = Transcript.objects.filter(status__in=UNANSWERED)
            lost = waiting.filter(audio_url=job.get("audio_url")).first()
            if lost is None:
                row.foreign += 1
            elif not find_and_store_job(lost):
                row.still_changing += 1
            else:
                if job.get("status") in Transcript.FINISHED:
                    advance.call(lost.pk)
                row.count_difference(repaired=True)
        elif ours.is_unread and job.get("status") in Transcript.FINISHED:
            # If the transcript failed before we read its job's result, restart it.
            was_given_up = ours.retry()
            unfinished = Transcript.objects.unfinished().filter(pk=ours.pk)
            unfinished.update(next_attempt_at=timezone.now())
            advance.call(ours.pk)
            ours.refresh_from_db()
            happened_at = None if was_given_up else completed_at(job)
            row.count_difference(repaired=ours.is_finished, happened_at=happened_at)


def differs(phone: PhoneStatus, state: CallState) -> bool:
    """Return whether Twilio has a later status or another price than our row."""
    is_behind = Call.rank(state.status) > phone.current_rank
    return is_behind or (state.price is not None and phone.price != state.price)


def completed_at(job: dict[str, Any]) -> datetime | None:
    """Return when a listed job was completed, or None if the list has no time.

    The list's times are in UTC, but have no offset.
    """
    try:
        return datetime.fromisoformat(str(job.get("completed"))).replace(tzinfo=tz.utc)
    except ValueError:
        return None


def start_once(pk: int) -> bool:
    """Start a transcript if the recording has none. Return whether it was started.

    If several processes try, only one succeeds.
    """
    with transaction.atomic():
        recording = Recording.objects.select_for_update().filter(pk=pk).first()
        if recording is None or recording.transcripts.exists():
            return False
        start(recording)
    return True


def find_and_store_job(transcript: Transcript) -> bool:
    """Find and store the job of a transcript, after AssemblyAI's response was lost.

    Do not wait for the transcript's `next_attempt_at`. Return False in these cases:
    - No job was found.
    - A worker is working on the transcript.
    - The status of the transcript is not in UNANSWERED any more.
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
            store_job(transcript, job, wait=timedelta())
        return bool(job)
    except LeaseLost:
        return False
    finally:
        # If no job was stored, release the lease. Then the transcript waits for its
        # next attempt as before.
        rows.filter(lease=lease).update(lease=None, leased_until=None)
