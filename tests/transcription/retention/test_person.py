"""Erasing a person: nothing is left in any table here, nor at the vendors."""

import io
import json
import re
import shutil
import zipfile
from contextlib import suppress
from datetime import datetime
from datetime import timezone as tz
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from caller import number_facts
from caller.models import Call, Contact, DoNotCall, Note, Recording
from caller.twilio import client as twilio_client
from djtranscribe.models import Access, WebhookDelivery
from djtranscribe.worker import maintenance
from tests.caller.rows import (
    API,
    CALL,
    CALL_SID,
    CALLS,
    NUMBER,
    RECORDING,
    RECORDING_SID,
    RECORDINGS,
    a_call,
    a_recording,
    call_path,
    recording_path,
    refusal,
)
from tests.data import load
from tests.transcription.rows import JOB, a_transcript
from transcription.models import Batch, Deletion, Notification, Transcript
from transcription.retention import person_file, tasks
from transcription.review import editing
from transcription.review.current import Change
from transcription.vocabulary import past_transcripts

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

OTHER = "+14155559999"
NAME = "Roberta Quillfeather"
# The text, its correction and a note have rare words, so that `found` can find them.
SAID = "Please refill my zolpidemia prescription."
CORRECTED, NOTED = "zolpidem", "Sounded xylophonic."
TRACES = [NUMBER, "415-555-1234", NAME, "zolpid", "refill", "xylophonic"]
OTHER_SID = "CA" + "0" * 31 + "8"
LATER_SID = "CA" + "0" * 31 + "9"
LATE_RECORDING_SID = "RE" + "0" * 31 + "9"


@pytest.fixture
def supervisor(browser, operator):
    may = Permission.objects.filter(codename__in=["erase_person", "view_deletion"])
    operator.user_permissions.add(*may)
    return browser


@pytest.fixture
def twilio(vendors):
    """Let both vendors accept the deletions, and return the mocked responses.

    Twilio also has a call that is no longer in our database.
    """
    unknown = load("twilio/call", sid=OTHER_SID, status="completed")
    calls = load("twilio/calls")
    vendors.get(RECORDINGS, json=load("twilio/recordings", recordings=[]))
    vendors.get(CALLS, json={**calls, "calls": [unknown]}, match=[to(NUMBER)])
    vendors.get(CALLS, json={**calls, "calls": []})
    return {
        "call": vendors.delete(CALL, status=204),
        "recording": vendors.delete(RECORDING, status=204),
        "unknown": vendors.delete(f"{API}/Calls/{OTHER_SID}.json", status=204),
        "job": vendors.delete(JOB, json={"text": "Deleted by user."}),
    }


def to(number):
    def matches(request):
        return request.params.get("To") == number, "another number"

    return matches


@pytest.fixture
def person(supervisor, operator, settings, signed_post):
    """Return a call. Each table for personal data has a row about the called person."""
    settings.NOTIFY_URL = "https://crm.example.com/hook"
    call = a_call(sid=CALL_SID, status="in-progress", requested_by=operator)
    fields = {"From": "+14155550100", "To": NUMBER, "Called": NUMBER}
    status = load("twilio/status-callback", CallStatus="completed", **fields)
    assert signed_post(call_path(call), status).status_code == 204
    forged = supervisor.post(call_path(call), status)
    assert forged.status_code == 403
    recording = a_recording(call=call)
    transcript = a_transcript(
        "completed", recording=recording, text=SAID, channel_names={"2": NAME}
    )
    Transcript.objects.filter(pk=transcript.pk).update(text=SAID)
    editing.save(transcript, operator, 0, [Change(3, 4, CORRECTED)])
    past_transcripts.Batch.objects.create(
        heard="zolpidemia",
        corrected=CORRECTED,
        transcripts=[transcript.pk],
        finished_at=call.created_at,
    )
    Note.objects.create(call=call, text=NOTED, author=operator)
    contact = Contact.objects.create(name=NAME)
    contact.numbers.create(number=NUMBER)
    DoNotCall.objects.create(number=NUMBER, reason=f"{NAME} asked")
    LogEntry.objects.create(
        user=operator, action_flag=1, object_repr=f"Call to {call.number}"
    )
    LogEntry.objects.create(
        user=operator,
        action_flag=1,
        object_repr=NAME,
        object_id=contact.pk,
        content_type=ContentType.objects.get_for_model(Contact),
        change_message=json.dumps([{"added": {"object": call.number}}]),
    )
    supervisor.get(call.get_absolute_url())
    assert found() == set(TRACES)
    return call


def found():
    """Search all tables, search indexes included. Return the TRACES that are there."""
    everything = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            everything += [str(row) for row in cursor.fetchall()]
    text = "\n".join(everything).replace("\\u002B", "+")
    return {each for each in TRACES if each in text}


def the_page(call):
    return f"/calls/{call.uuid}/person/"


def test_erasure_removes_all_data_of_one_person_only(
    person, supervisor, twilio, media, work, transactional_db
):
    other = a_call(other_number=OTHER, status="completed", sid="CA" + "1" * 32)
    kept = a_transcript(
        "completed",
        recording=Recording.objects.create(call=other, status="completed"),
        text="Nothing special.",
        assemblyai_id="other",
    )
    assert NAME in supervisor.get(the_page(person)).content.decode()

    answer = supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    waiting = supervisor.get(answer.url).content.decode()
    work()

    assert "The worker is deleting" in waiting
    assert found() == set()
    assert [row.call_count for row in twilio.values()] == [1, 1, 1, 1]
    assert [path for path in media.rglob("*.wav") if RECORDING_SID in path.name] == []
    report = supervisor.get(answer.url).content.decode()
    assert "Finished on" in report
    assert "<dt>Calls at Twilio</dt><dd>2</dd>" in report
    deletion = Deletion.objects.get()
    assert deletion.counts == {
        "calls at Twilio": 2,
        "recordings at Twilio": 1,
        "texts at AssemblyAI": 1,
        "calls": 1,
        "audio files": 1,
        "texts": 1,
        "notes": 1,
        "webhook deliveries": 1,
        "numbers of contacts": 1,
        "contacts": 1,
        "entries on the do-not-call list": 1,
    }
    assert Call.objects.get() == other
    assert Transcript.objects.get() == kept
    assert kept.recording.audio.storage.exists(Recording.objects.get().audio.name)
    assert not Batch.objects.exists()
    assert not Notification.objects.filter(about=person.uuid).exists()
    # The access log stays, but does not name the person.
    assert Access.objects.exists()


def test_the_number_may_stay_on_the_do_not_call_list(person, supervisor, twilio, work):
    chosen = {"number": NUMBER, "sure": "on", "do_not_call": "on"}

    supervisor.post(the_page(person), chosen)
    work()

    assert DoNotCall.objects.get().number == NUMBER
    assert found() == {NUMBER}


def test_webhook_after_erasure_stores_no_phone_number(
    person, supervisor, twilio, work, signed_post
):
    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    late = load("twilio/recording-callback", To=NUMBER)
    assert signed_post(recording_path(person), late).status_code == 404

    assert WebhookDelivery.objects.latest("pk").body is None
    assert found() == set()


@pytest.mark.parametrize("answers", [{}, {"number": NUMBER}, {"sure": "on"}])
def test_nothing_is_erased_by_mistake(person, supervisor, answers):
    answers = {**answers, "number": answers.get("number", OTHER)}

    page = supervisor.post(the_page(person), answers)

    assert "tick “I am sure”" in page.content.decode()
    assert not Deletion.objects.exists()


def test_a_call_that_is_not_over_is_erased_later(person, supervisor, twilio, work):
    Call.objects.update(status="in-progress")
    answer = supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert "A call has not ended yet." in supervisor.get(answer.url).content.decode()
    assert Call.objects.exists()

    Call.objects.update(status="completed")
    maintenance.delete_expired()
    work()
    assert found() == set()


def test_a_call_that_has_just_ended_is_erased_when_its_recording_is_there(
    person, supervisor, twilio, work, vendors
):
    person.recordings.all().delete()
    Call.objects.update(ended_at=timezone.now())
    answer = supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    page = supervisor.get(answer.url).text
    assert "Twilio may still be preparing the recording of a call." in page
    assert Call.objects.exists()

    a_recording(call=person, sid=LATE_RECORDING_SID)
    late = vendors.delete(f"{API}/Recordings/{LATE_RECORDING_SID}.json", status=204)
    maintenance.delete_expired()
    work()
    assert late.call_count == 1
    assert found() == set()


def test_erasure_waits_until_the_vendor_is_available(
    person, supervisor, twilio, work, vendors
):
    vendors.replace("DELETE", JOB, status=503)
    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert Transcript.objects.exists()
    assert "internal error" in Deletion.objects.get().problem

    vendors.replace("DELETE", JOB, json={"text": "Deleted by user."})
    vendors.replace("DELETE", RECORDING, **refusal(20404, 404))
    maintenance.delete_expired()
    work()
    assert found() == set()


@pytest.mark.parametrize("error", [refusal(20009, 409), {"status": 500}])
def test_a_call_that_twilio_does_not_delete_does_not_hold_up_others(
    person, supervisor, twilio, work, vendors, error
):
    later = a_call(sid=LATER_SID, status="busy")
    deleted = vendors.delete(f"{API}/Calls/{LATER_SID}.json", status=204)
    vendors.replace("DELETE", RECORDING, **error)
    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert deleted.call_count == 1
    assert Call.objects.get() == person != later
    deletion = Deletion.objects.get()
    assert deletion.finished_at is None
    assert deletion.problem

    vendors.replace("DELETE", RECORDING, status=204)
    maintenance.delete_expired()
    work()
    assert found() == set()
    deletion.refresh_from_db()
    assert deletion.finished_at
    assert not deletion.problem


def test_calls_after_three_that_twilio_fails_to_delete_are_erased_an_hour_later(
    person, supervisor, twilio, work, vendors
):
    deleted = [vendors.replace("DELETE", RECORDING, status=503)]
    for n in range(11, 15):
        sid = f"CA{n:032}"
        a_call(sid=sid, status="busy")
        status = 503 if n < 13 else 204
        deleted.append(vendors.delete(f"{API}/Calls/{sid}.json", status=status))

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()
    assert [each.call_count for each in deleted] == [1, 1, 1, 0, 0]

    maintenance.delete_expired()
    work()
    assert [each.call_count for each in deleted] == [1, 1, 1, 1, 1]
    assert Call.objects.count() == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("in-progress", refusal(20009, 409)),
        ("completed", refusal(20009, 409)),
        ("completed", {"status": 500}),
    ],
)
def test_a_call_that_only_twilio_has_does_not_hold_up_others(
    person, supervisor, twilio, work, vendors, status, error
):
    first = load("twilio/call", sid=LATER_SID, status=status)
    second = load("twilio/call", sid=OTHER_SID, status="completed")
    calls = {**load("twilio/calls"), "calls": [first, second]}
    vendors.replace("GET", CALLS, json=calls, match=[to(NUMBER)])
    vendors.delete(f"{API}/Calls/{LATER_SID}.json", **error)

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert twilio["unknown"].call_count == 1
    deletion = Deletion.objects.get()
    assert deletion.finished_at is None
    assert deletion.problem


def test_all_recordings_and_child_calls_of_a_call_are_deleted_at_twilio(vendors):
    def serve(url, name, items):
        def page(request):
            asked = {"CallSid", "ParentCallSid"} & request.params.keys()
            of_call = any(request.params[key] == CALL_SID for key in asked)
            start = 50 * int(request.params.get("Page", 0))
            rows = items[start : start + 50] if of_call else []
            more = f"{request.url}&Page=1".removeprefix("https://api.twilio.com")
            body = {name: rows, "next_page_uri": more if len(rows) == 50 else None}
            return 200, {}, json.dumps(load(f"twilio/{name}", **body))

        vendors.add_callback("GET", url, page)

    sids = [f"{number:032}" for number in range(100, 151)]
    recordings = [load("twilio/recording", sid=f"RE{sid}") for sid in sids]
    serve(RECORDINGS, "recordings", recordings)
    serve(CALLS, "calls", [load("twilio/call", sid=f"CA{sid}") for sid in sids])
    deleted = vendors.delete(re.compile(f"{API}/(Calls|Recordings)/"), status=204)

    twilio_client.delete_call(CALL_SID)

    assert deleted.call_count == 51 + 51 + 1


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), SystemExit()])
def test_the_audio_goes_if_the_storage_fails_or_the_worker_is_killed(
    person, supervisor, twilio, media, work, monkeypatch, error
):
    def fails(storage, name):
        raise error

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    deletion = Deletion.objects.get()
    with monkeypatch.context() as patch, suppress(SystemExit):
        patch.setattr(FileSystemStorage, "delete", fails)
        tasks.run_slice(deletion.pk)
    assert not Call.objects.exists()
    assert list(media.rglob("*.wav"))

    Deletion.objects.update(leased_until=None)
    work()

    deletion.refresh_from_db()
    assert deletion.finished_at
    assert deletion.counts["audio files"] == 1
    assert not list(media.rglob("*.wav"))


def test_while_the_audio_cannot_be_deleted_erasing_is_not_finished(
    person, supervisor, twilio, media, work, monkeypatch
):
    def fails(storage, name):
        raise OSError(5, "Input/output error")

    answer = supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", fails)
        work()
    assert list(media.rglob("*.wav"))
    assert "Input/output error" in supervisor.get(answer.url).content.decode()

    maintenance.delete_expired()
    work()
    assert "Finished on" in supervisor.get(answer.url).content.decode()
    assert not list(media.rglob("*.wav"))


def test_while_the_storage_is_not_mounted_erasing_is_not_finished(
    person, supervisor, twilio, media, work
):
    away = media.rename(media.with_name("away"))
    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()
    deletion = Deletion.objects.get()
    assert "No such file or directory" in deletion.problem
    assert deletion.finished_at is None

    away.rename(media)
    maintenance.delete_expired()
    work()

    deletion.refresh_from_db()
    assert deletion.finished_at
    assert not list(media.rglob("*.wav"))


def test_a_call_whose_audio_was_never_stored_is_erased(
    person, supervisor, twilio, media, work
):
    Recording.objects.update(audio="")
    shutil.rmtree(media)

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert Deletion.objects.get().finished_at


def test_a_transcript_that_was_not_submitted_is_not_waited_for(
    person, supervisor, twilio, work
):
    Transcript.objects.update(status="fetched", assemblyai_id=None, jobs=0)

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert not Transcript.objects.exists()
    assert twilio["job"].call_count == 0


def test_a_job_whose_id_was_lost_is_reported(person, supervisor, twilio, work):
    at = datetime(2026, 5, 3, 12, tzinfo=tz.utc)
    Transcript.objects.update(status="error", assemblyai_id=None, submitted_at=at)

    answer = supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    page = supervisor.get(answer.url).content.decode()
    assert "Not everything could be deleted" in page
    assert "requested on 3 May 2026." in page
    assert "Tomorrow" not in page
    assert found() == set()


def test_a_job_that_runs_is_waited_for(person, supervisor, twilio, work):
    Transcript.objects.update(status="processing", next_attempt_at=None)

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert Deletion.objects.get().problem == "A transcript is not finished yet."
    assert Transcript.objects.exists()


def test_a_call_that_goes_on_after_all_is_waited_for(
    person, supervisor, twilio, work, vendors
):
    def slow(request):
        Call.objects.update(status="in-progress")
        return 200, {}, "{}"

    vendors.remove("DELETE", JOB)
    vendors.add_callback("DELETE", JOB, slow)

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert Deletion.objects.get().problem == "A call has not ended yet."
    assert Call.objects.exists()


def test_only_the_chosen_numbers_of_a_contact_are_erased(
    person, supervisor, twilio, work
):
    contact = Contact.objects.get()
    contact.numbers.create(number=OTHER)

    supervisor.post(the_page(person), {"number": NUMBER, "sure": "on"})
    work()

    assert [each.number for each in Contact.objects.get().numbers.all()] == [OTHER]


def test_the_command_shows_asks_and_erases(person, twilio, answer):
    typed = [number_facts.format_international(NUMBER)]
    out = StringIO()
    call_command("erase-person", *typed, "--dry-run", stdout=out)
    assert "calls: 1\nrecordings: 1\ntranscripts: 1\nnotes: 1\n" in out.getvalue()
    with pytest.raises(CommandError, match="Add --yes"):
        call_command("erase-person", *typed, stdout=out)
    answer("n")
    with pytest.raises(CommandError, match="Nothing was deleted"):
        call_command("erase-person", *typed, stdout=out)
    with pytest.raises(CommandError, match="digits only"):
        call_command("erase-person", "Bob", stdout=out)

    call_command("erase-person", *typed, "--yes", "--keep-do-not-call", stdout=out)

    assert "Deleted: calls at Twilio: 2" in out.getvalue()
    assert found() == {NUMBER}


def test_ctrl_c_stops_the_erasure_and_no_worker_continues_it(
    person, twilio, monkeypatch, work
):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("caller.twilio.client.delete_call", interrupted)
    with pytest.raises(CommandError, match="Stopped by hand"):
        call_command("erase-person", NUMBER, "--yes", stdout=StringIO())
    monkeypatch.undo()

    maintenance.delete_expired()
    work()

    assert Call.objects.exists()
    assert Deletion.objects.get().numbers == []


def test_a_person_gets_a_file_with_everything(person, supervisor, tmp_path):
    answer = supervisor.get(f"{the_page(person)}export/")
    file = tmp_path / "person.zip"
    call_command("export-person", str(file), NUMBER, stdout=StringIO())

    assert answer["Content-Disposition"] == 'attachment; filename="person.zip"'
    for content in (b"".join(answer.streaming_content), file.read_bytes()):
        archive = zipfile.ZipFile(io.BytesIO(content))
        assert archive.testzip() is None
        names = archive.namelist()
        text = archive.read(next(n for n in names if n.startswith("transcripts/")))
        assert CORRECTED in text.decode()
        sound = next(n for n in names if n.startswith("recordings/"))
        assert archive.read(sound).startswith(b"RIFF")
        facts = json.loads(archive.read("person.json"))
        assert facts["contacts"][0]["name"] == NAME
        assert facts["calls"][0]["notes"][0]["text"] == NOTED
        assert facts["do_not_call"][0]["reason"] == f"{NAME} asked"
        assert facts["webhook_deliveries"][0]["body"]["To"] == NUMBER
        [recording] = facts["calls"][0]["recordings"]
        assert recording["transcripts"][0]["original_text"] == SAID
        assert recording["transcripts"][0]["corrections"][0]["after"] == CORRECTED
    assert Access.objects.filter(action="listened").exists()
    with pytest.raises(CommandError, match="exists already"):
        call_command("export-person", str(file), NUMBER)


def test_an_export_that_fails_leaves_no_file_and_does_not_blame_it(
    person, tmp_path, monkeypatch
):
    file = tmp_path / "person.zip"

    def refuses(storage, name, mode="rb"):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(FileSystemStorage, "open", refuses)
    with pytest.raises(CommandError, match=r"denied: 'recordings/RE.*\.wav'"):
        call_command("export-person", str(file), NUMBER)

    assert not file.exists()
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        call_command("export-person", str(tmp_path / "none" / "person.zip"), NUMBER)


def test_a_call_with_a_withheld_number_has_no_person(supervisor):
    call = a_call(other_number="", direction="inbound", status="completed")

    page = supervisor.get(the_page(call)).content.decode()
    number_page = supervisor.get(f"{call.get_absolute_url()}number/").text

    assert "The caller withheld the number" in page
    assert "Different people may have withheld their number." in number_page
    assert "Export or erase" not in number_page


def test_without_a_number_nothing_of_others_is_exported(person, supervisor):
    call = a_call(other_number="", direction="inbound", status="completed")

    assert supervisor.get(f"{the_page(call)}export/").status_code == 404
    assert person_file.data_about([])["webhook_deliveries"] == []
