"""Erase the data of a person: delete everything about their phone numbers.

`erase_slice` deletes one call: at Twilio, then at AssemblyAI, then in our database. A
round tries each call once:
- If a call could not be deleted, retention.tasks.sweep starts a new round within an
  hour.
- After MAX_FAILURES errors in a row, a vendor seems to be down: the round pauses until
  the next sweep.
"""

import json
import logging
from collections.abc import Collection

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from caller import number_facts
from caller.call_check import is_long_over
from caller.models import Call, Contact, ContactNumber, DoNotCall
from caller.recordings import cleanup
from caller.twilio import client as twilio_client
from djtranscribe.models import WebhookDelivery
from djtranscribe.vendors.errors import VendorError
from transcription.models import Deletion, Notification, Transcript
from transcription.retention.traces import clear_traces, overwrite_deleted
from transcription.retention.vendors import (
    MAX_FAILURES,
    count_failures,
    delete_job,
    explain,
    record_lost_job,
)
from transcription.vocabulary import past_transcripts

logger = logging.getLogger(__name__)

CALL_NOT_ENDED = "A call has not ended yet."
RECORDING_MISSING = "Twilio may still be preparing the recording of a call."
TRANSCRIPT_NOT_FINISHED = "A transcript is not finished yet."
ERASED = "(erased)"


def calls_of(numbers: Collection[str]) -> QuerySet[Call]:
    return Call.objects.filter(other_number__in=numbers)


def summary(numbers: Collection[str]) -> dict[str, int]:
    """Return how many rows of each kind we have about these numbers."""
    calls = calls_of(numbers)
    counted = calls.values_list("pk")
    transcripts = Transcript.objects.filter(recording__call__in=calls)
    return {
        "calls": counted.count(),
        "recordings": calls.exclude(recordings=None).values("recordings").count(),
        "transcripts": transcripts.count(),
        "notes": calls.exclude(notes=None).values("notes").count(),
        "numbers of contacts": ContactNumber.objects.filter(number__in=numbers).count(),
        "entries on the do-not-call list": DoNotCall.objects.filter(
            number__in=numbers
        ).count(),
    }


def erase_slice(deletion: Deletion) -> bool:
    """Erase the next call of the round (see the module docstring).

    After the last call, end the round. If all calls are erased, also erase the person's
    other data and finish the deletion.
    Return whether to continue at once. Raises LeaseLost.
    """
    overwrite_deleted()
    position = deletion.position
    waiting: list[int] = position.setdefault("waiting", [])
    position.setdefault("sids", [])
    position.setdefault("failures", 0)
    call = calls_of(deletion.numbers).exclude(pk__in=waiting).order_by("pk").first()
    try:
        if call:
            reason = blocking_reason(call) or try_to_erase(call, deletion)
            if reason:
                waiting.append(call.pk)
                deletion.problem = reason
            pauses = position["failures"] >= MAX_FAILURES
            if pauses:
                position["failures"] = 0
            deletion.release()
            return not pauses
        reason = deletion.problem if waiting else erase_at_twilio(deletion)
        if not reason:
            delete_remaining_files(deletion)
    except (VendorError, OSError) as error:
        logger.warning("deletion=%s person=failed", deletion.pk)
        reason = explain(error)
    if reason:
        waiting.clear()
        position["failures"] = 0
        deletion.release(problem=reason)
        return False
    erase_rest(deletion)
    deletion.problem = ""
    deletion.finish()
    clear_traces()
    return False


def try_to_erase(call: Call, deletion: Deletion) -> str:
    """Run `erase_call` and count failures. Raises LeaseLost.

    Return why the call was not erased, or an empty string if it was erased.
    """
    position = deletion.position
    try:
        reason = erase_call(call, deletion)
    except VendorError as error:
        logger.warning("deletion=%s call=%s failed", deletion.pk, call.uuid)
        position["failures"] = count_failures(position["failures"], error)
        return explain(error)
    position["failures"] = 0
    return reason


def blocking_reason(call: Call) -> str:
    """Return why a call cannot be deleted yet, or "" if it can be deleted."""
    if not call.is_finished or (call.is_conversation and not call.leg.is_finished):
        return CALL_NOT_ENDED
    # Wait for the recording. If it came after the deletion, nobody would delete it.
    has_audio = call.status == Call.Status.COMPLETED and call.kind != Call.Kind.CODE
    if has_audio and not (call.recordings.finished().exists() or is_long_over(call)):
        return RECORDING_MISSING
    transcripts = Transcript.objects.unfinished().filter(recording__call=call)
    # A transcript without a worker and without a job at AssemblyAI can be deleted.
    idle = transcripts.filter(lease=None, submitted_at=None, assemblyai_id=None)
    return TRANSCRIPT_NOT_FINISHED if transcripts.exclude(pk__in=idle).exists() else ""


def erase_call(call: Call, deletion: Deletion) -> str:
    """Delete a call everywhere. Return why it cannot be deleted yet.

    If the call was deleted, return an empty string. Raises VendorError, LeaseLost.
    """
    recordings = list(call.recordings.defer("peaks"))
    sids = {recording.sid for recording in recordings if recording.sid}
    if call.sid:
        for sid in sids:
            twilio_client.delete_recording(sid)
        twilio_client.delete_call(call.sid)
    transcripts = Transcript.objects.filter(recording__call=call)
    jobs = {row.pk: delete_job(row) for row in transcripts.only("assemblyai_id")}
    with transaction.atomic():
        locked = Call.objects.select_for_update().get(pk=call.pk)
        rows = list(transcripts.select_for_update().order_by("pk"))
        # Check again: the call or its transcripts may have changed during the requests
        # to Twilio and AssemblyAI.
        if reason := blocking_reason(locked):
            return reason
        if {row.pk for row in rows} != jobs.keys():
            return TRANSCRIPT_NOT_FINISHED
        about = [str(call.uuid), *(str(row.uuid) for row in rows)]
        deliveries, _ = WebhookDelivery.objects.filter(about__in=about).delete()
        Notification.objects.filter(about__in=[row.uuid for row in rows]).delete()
        for row in rows:
            record_lost_job(row, deletion)
        notes = locked.notes.count()
        locked.delete()
        # Store the SIDs in the same transaction: `delete_remaining_files` needs them if
        # this worker dies before the files are deleted.
        deletion.position["sids"] += sids
        deletion.add(
            {
                "calls at Twilio": int(bool(call.sid)),
                "recordings at Twilio": len(sids),
                "texts at AssemblyAI": sum(jobs.values()),
                "calls": 1,
                "audio files": sum(bool(recording.audio) for recording in recordings),
                "texts": len(rows),
                "notes": notes,
                "webhook deliveries": deliveries,
            }
        )
        deletion.keep_lease()
    return ""


def delete_remaining_files(deletion: Deletion) -> None:
    """Delete files of erased recordings that are still stored. Raises OSError.

    Call this only once, after all calls are erased: it lists all files of the storage.
    """
    try:
        cleanup.delete_all_of(deletion.position["sids"])
    except FileNotFoundError:
        # The audio folder is missing. If an erased recording had audio, the storage is
        # probably not mounted: raise the error, so that the next round retries.
        if deletion.counts.get("audio files"):
            raise


def erase_at_twilio(deletion: Deletion) -> str:
    """Delete calls that only Twilio has. Return why a call could not be deleted.

    If all calls were deleted, return an empty string. Raises VendorError, LeaseLost.
    """
    reason, failures = "", 0
    for number in deletion.numbers:
        for state in list(twilio_client.calls_with(number)):
            if state.status not in Call.FINISHED:
                reason = CALL_NOT_ENDED
                continue
            try:
                # A call made by <Dial> has a parent call, which has the recording.
                # delete_call deletes the parent call and this call.
                twilio_client.delete_call(state.parent_sid or state.sid)
            except VendorError as error:
                failures = count_failures(failures, error)
                if failures >= MAX_FAILURES:
                    raise
                reason = explain(error)
            else:
                failures = 0
                deletion.add({"calls at Twilio": 1})
            deletion.keep_lease()
    return reason


def erase_rest(deletion: Deletion) -> None:
    """Delete all other data about these numbers. Raises LeaseLost.

    - numbers of contacts, and contacts without other numbers
    - webhook deliveries
    - texts in the admin site's log
    - entries on the do-not-call list, unless `keeps_do_not_call` is set
    - batches of corrections that have no transcripts any more
    """
    numbers = deletion.numbers
    with transaction.atomic():
        known = ContactNumber.objects.filter(number__in=numbers)
        contacts = list(Contact.objects.filter(numbers__in=known).distinct())
        deletion.add({"numbers of contacts": known.delete()[0]})
        numberless = [each for each in contacts if not each.numbers.exists()]
        redact_log_entries(numbers, numberless)
        for contact in numberless:
            contact.delete()
        listed = DoNotCall.objects.filter(number__in=numbers)
        if deletion.keeps_do_not_call:
            # Keep or add the numbers. Delete the reason: it is a text about the person.
            listed.update(reason="")
            for number in numbers:
                DoNotCall.objects.get_or_create(number=number)
        else:
            deletion.add({"entries on the do-not-call list": listed.delete()[0]})
        deletion.add(
            {
                "contacts": len(numberless),
                "webhook deliveries": deliveries_with(numbers).delete()[0],
            }
        )
        deletion.keep_lease()
    past_transcripts.delete_finished()


def deliveries_with(numbers: Collection[str]) -> QuerySet[WebhookDelivery]:
    """Return webhook deliveries that contain one of the numbers.

    Reads the whole table.
    """
    if not numbers:
        # An empty condition would select all deliveries.
        return WebhookDelivery.objects.none()
    contains = Q()
    for number in numbers:
        contains |= Q(text__contains=json.dumps(number))
    bodies = WebhookDelivery.objects.alias(text=Cast("body", TextField()))
    return bodies.filter(contains)


def redact_log_entries(numbers: Collection[str], contacts: list[Contact]) -> None:
    """Erase texts about these numbers or contacts from the admin site's log."""
    named = Q()
    for number in numbers:
        for written in (number, number_facts.format_international(number)):
            named |= Q(object_repr__contains=written)
            named |= Q(change_message__contains=written)
    entries = ContentType.objects.get_for_model(Contact)
    named |= Q(content_type=entries, object_id__in=[each.pk for each in contacts])
    LogEntry.objects.filter(named).update(object_repr=ERASED, change_message="")
