"""`manage.py reconcile`: find and repair what the vendors have and we do not have."""

import json
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from responses.matchers import query_param_matcher

from caller import tasks as caller_tasks
from caller.models import Call, Leg, Recording
from djtranscribe.management import reconciliation
from djtranscribe.management.commands import reconcile
from tests.caller.rows import (
    CALL,
    CALL_SID,
    CALLS,
    RECORDING_SID,
    RECORDINGS,
    a_call,
    a_recording,
    deliveries,
    refusal,
)
from tests.data import load, wav
from tests.threads import at_once, needs_connections
from tests.transcription.rows import (
    AUDIO_URL,
    JOB,
    JOB_ID,
    TEXT,
    TRANSCRIPT,
    a_transcript,
    seconds_until_next_attempt,
)
from transcription.models import Transcript, Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

FROM_US, TO_US = {"From": "+14155550100"}, {"To": "+14155550100"}


class Vendors:
    def __init__(self, mock):
        self.mock = mock

    def have(self, calls=(), recordings=(), jobs=(), calls_in=()):
        self.mock.get(
            CALLS,
            json=load("twilio/calls", calls=list(calls)),
            match=[query_param_matcher(FROM_US, strict_match=False)],
        )
        self.mock.get(
            CALLS,
            json=load("twilio/calls", calls=list(calls_in)),
            match=[query_param_matcher(TO_US, strict_match=False)],
        )
        rows = load("twilio/recordings", recordings=list(recordings))
        self.mock.get(RECORDINGS, json=rows)
        # The second page is empty, like the last page of AssemblyAI's list.
        self.mock.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=list(jobs)))
        self.mock.get(TRANSCRIPT, json=load("assemblyai/list"))


@pytest.fixture
def both(vendors):
    return Vendors(vendors)


def table(*arguments):
    """Run the command. Return its table, and the rest of its output.

    Table: `{"Calls at Twilio": (compared, missing, repaired)}`.
    """
    out = StringIO()
    call_command("reconcile", *arguments, stdout=out, stderr=StringIO())
    rows, rest = {}, []
    for line in out.getvalue().splitlines()[1:]:
        cells = line.rsplit(maxsplit=3)
        if len(cells) == 4 and cells[-1].isdigit():
            rows[cells[0]] = tuple(map(int, cells[1:]))
        else:
            rest.append(line)
    return rows, " ".join(rest)


def just_now():
    return timezone.now().strftime("%FT%T.%f")


def test_nothing_is_repaired_if_nothing_is_missing(both):
    both.have()

    rows, rest = table()

    assert set(rows.values()) == {(0, 0, 0)}
    assert rest == ""


def test_missed_call_status_is_repaired_once(both):
    call = a_call(sid=CALL_SID, status="ringing")
    ended = load("twilio/call", status="completed", duration="17", price="-0.01300")
    both.have(calls=[ended])

    first, _ = table()
    both.have(calls=[ended])
    second, _ = table()

    call.refresh_from_db()
    assert first["Calls at Twilio"] == (1, 1, 1)
    assert second["Calls at Twilio"] == (1, 0, 0)
    assert (call.status, call.duration_seconds) == ("completed", 17)


def test_a_recording_that_was_never_told_gets_its_transcript(both):
    a_call(sid=CALL_SID, status="completed")
    both.have(recordings=[load("twilio/recording")])

    rows, _ = table()

    assert rows["Recordings at Twilio"] == (1, 1, 1)
    assert Transcript.objects.get().recording.sid == RECORDING_SID


def test_a_recording_without_a_transcript_gets_one(both):
    a_recording(call=a_call(sid=CALL_SID, status="completed"))
    both.have(recordings=[load("twilio/recording")])

    rows, _ = table()

    assert rows["Transcripts here"] == (1, 1, 1)
    assert Transcript.objects.count() == 1


def test_it_is_transcribed_with_the_keyword_list_of_its_call(both):
    words = Vocabulary.objects.create(name="Ward", terms="cardiology")
    a_recording(call=a_call(sid=CALL_SID, status="completed", vocabulary=words))
    both.have(recordings=[load("twilio/recording")])

    table()

    assert Transcript.objects.get().vocabulary == words


def test_two_concurrent_runs_start_one_transcript_per_recording(both, monkeypatch):
    for number in range(2):
        a_recording(sid=f"RE{number:032}")
    real = reconciliation.start_once

    def other_run_first(pk):
        monkeypatch.setattr(reconciliation, "start_once", real)
        both.have()
        table()
        return real(pk)

    monkeypatch.setattr(reconciliation, "start_once", other_run_first)
    both.have()
    rows, _ = table()

    assert rows["Transcripts here"] == (2, 0, 0)
    assert Transcript.objects.count() == 2


@needs_connections
@pytest.mark.django_db(transaction=True)
def test_concurrent_starts_create_one_transcript():
    recording = a_recording()

    started = at_once(lambda: reconciliation.start_once(recording.pk))

    assert sorted(started) == [False] * 7 + [True]
    assert Transcript.objects.count() == 1


def test_a_transcript_that_somebody_deleted_is_not_started_and_paid_again(both):
    call = a_call(sid=CALL_SID, status="completed")
    a_transcript("completed", recording=a_recording(call=call)).delete()
    both.have(recordings=[load("twilio/recording")])

    rows, _ = table()

    assert rows["Transcripts here"] == (1, 0, 0)
    assert not Transcript.objects.exists()


@pytest.mark.parametrize("row", [Call, Recording])
@pytest.mark.parametrize("arguments", [[], ["--all"]])
def test_a_recording_that_was_told_and_deleted_does_not_come_back(
    both, signed_post, row, arguments
):
    for path, fields in deliveries(a_call(sid=CALL_SID)):
        signed_post(path, fields)
    row.objects.get().delete()
    both.have(recordings=[load("twilio/recording")])

    rows, _ = table(*arguments)

    assert rows["Recordings at Twilio"] == (1, 0, 0)
    assert not Transcript.objects.exists()


@pytest.mark.parametrize("what", ["recording", "call"])
@pytest.mark.parametrize("arguments", [[], ["--all"]])
def test_deleted_row_without_webhook_records_stays_deleted(
    both, vendors, what, arguments
):
    call = a_call(sid=CALL_SID, status="completed")
    recording = a_recording(call=call)
    (call if what == "call" else recording).delete()
    both.have(recordings=[load("twilio/recording")])

    rows, _ = table(*arguments)

    assert rows["Recordings at Twilio"] == (1, 0, 0)
    assert not Recording.objects.exists()
    assert not Transcript.objects.exists()


def test_a_late_webhook_does_not_bring_a_deleted_recording_back(signed_post):
    call = a_call(sid=CALL_SID, status="completed")
    a_recording(call=call, status="in-progress").delete()

    for path, fields in deliveries(call):
        assert signed_post(path, fields).status_code in (200, 204)

    assert not Recording.objects.exists()
    assert not Transcript.objects.exists()


def test_our_own_check_does_not_bring_a_deleted_recording_back(vendors):
    call = a_call(sid=CALL_SID, status="completed", next_check_at=timezone.now())
    a_recording(call=call).delete()
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(
        RECORDINGS,
        json=load("twilio/recordings", recordings=[load("twilio/recording")]),
    )

    caller_tasks.check_call.call(call.pk)

    assert not Recording.objects.exists()


def test_recordings_that_admin_deletes_in_bulk_stay_deleted(both):
    call = a_call(sid=CALL_SID, status="completed")
    theirs = []
    for number in range(3):
        a_recording(call=call, sid=f"RE{number:032}")
        theirs.append(load("twilio/recording", sid=f"RE{number:032}"))
    Recording.objects.all().delete()
    both.have(recordings=theirs)

    table("--all")

    assert not Recording.objects.exists()


def test_a_deleted_recording_is_not_among_the_addresses_of_its_call(browser, vendors):
    call = a_call(sid=CALL_SID, status="completed", next_check_at=timezone.now())
    a_recording(call=call).delete()
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(
        RECORDINGS,
        json=load("twilio/recordings", recordings=[load("twilio/recording")]),
    )

    assert browser.get(f"/get-recording-url/{CALL_SID}/").status_code == 404


def test_a_recording_that_was_rolled_back_has_no_tombstone(both):
    call = a_call(sid=CALL_SID, status="completed")
    with suppress(ZeroDivisionError), transaction.atomic():
        a_recording(call=call).delete()
        raise ZeroDivisionError
    both.have(recordings=[load("twilio/recording")])

    rows, _ = table()

    assert rows["Recordings at Twilio"] == (1, 1, 1)


@pytest.mark.parametrize("source", ["file", "url", "RecordVerb"])
def test_a_recording_whose_transcript_was_never_started_is_transcribed(both, source):
    """Example: the process was killed right after it had stored the recording."""
    recording = a_recording(sid=None, source=source)
    recording.store_audio([wav()])
    both.have()

    first, _ = table()
    both.have()
    second, _ = table()

    assert first["Transcripts here"] == (1, 1, 1)
    assert second["Transcripts here"] == (1, 0, 0)
    assert Transcript.objects.get().recording == recording


def test_a_job_that_became_ready_just_now_was_not_missing(both, vendors):
    transcript = a_transcript("queued")
    job = listed_job(status="completed", completed=just_now())
    lists(both, vendors, job)
    vendors.get(JOB, json=load("assemblyai/completed"))

    rows, rest = table()

    transcript.refresh_from_db()
    assert rows["Jobs at AssemblyAI"] == (1, 0, 0)
    assert "would soon have come by themselves: 1." in rest
    assert transcript.text == TEXT


@pytest.mark.parametrize("completed", ["2026-11-23T10:00:12.5", None, "soon"])
def test_a_job_that_was_ready_long_ago_was_missing(both, vendors, completed):
    a_transcript("queued")
    lists(both, vendors, listed_job(status="completed", completed=completed))
    vendors.get(JOB, json=load("assemblyai/completed"))

    rows, rest = table()

    assert (rows["Jobs at AssemblyAI"], rest) == ((1, 1, 1), "")


def test_a_call_that_ended_just_now_was_not_missing(both):
    call = a_call(sid=CALL_SID, status="ringing")
    both.have(calls=[load("twilio/call", status="completed", end_time=http_date())])

    rows, rest = table()

    call.refresh_from_db()
    assert rows["Calls at Twilio"] == (1, 0, 0)
    assert "would soon have come by themselves: 1." in rest
    assert call.status == "completed"


def test_a_price_that_we_would_ask_for_was_not_missing(both):
    a_call(sid=CALL_SID, status="completed")
    both.have(calls=[load("twilio/call", status="completed", price="-0.01300")])

    rows, rest = table()

    assert rows["Calls at Twilio"] == (1, 0, 0)
    assert "would soon have come by themselves: 1." in rest


def test_a_recording_that_was_finished_just_now_was_not_missing(both):
    a_call(sid=CALL_SID, status="completed")
    both.have(recordings=[load("twilio/recording", date_updated=http_date())])

    rows, rest = table()

    assert rows["Recordings at Twilio"] == (1, 0, 0)
    assert "would soon have come by themselves: 1." in rest
    assert Transcript.objects.exists()


def http_date():
    return timezone.now().strftime("%a, %d %b %Y %H:%M:%S +0000")


def test_a_result_that_was_never_told_is_read(both, vendors):
    transcript = a_transcript("queued", next_attempt_at=timezone.now())
    both.have(jobs=[load("assemblyai/listed", status="completed", created=just_now())])
    vendors.get(JOB, json=load("assemblyai/completed"))

    rows, _ = table()

    transcript.refresh_from_db()
    assert rows["Jobs at AssemblyAI"] == (1, 1, 1)
    assert transcript.text == TEXT


def test_a_result_that_was_given_up_unread_is_read_and_paid_once(both, vendors):
    transcript = a_transcript("queued")
    transcript.fail("Given up after 100 attempts.")
    done = load("assemblyai/listed", status="completed", created=just_now())
    lists(both, vendors, done)
    vendors.get(JOB, json=load("assemblyai/completed"))

    first, _ = table()
    second, _ = table()

    transcript.refresh_from_db()
    assert (first["Jobs at AssemblyAI"], transcript.text) == ((1, 1, 1), TEXT)
    assert second["Jobs at AssemblyAI"] == (1, 0, 0)


def lists(both, vendors, *jobs):
    """Like `have(jobs=jobs)`, but AssemblyAI's list may be read more than once."""

    def page(request):
        shown = [] if "before_id" in request.url else list(jobs)
        return 200, {}, json.dumps(load("assemblyai/list", transcripts=shown))

    vendors.add_callback("GET", TRANSCRIPT, page)
    vendors.get(CALLS, json=load("twilio/calls", calls=[]))
    vendors.get(RECORDINGS, json=load("twilio/recordings", recordings=[]))


def listed_job(**fields):
    ours = {"id": JOB_ID, "audio_url": AUDIO_URL, "created": just_now()}
    return load("assemblyai/listed", **{**ours, **fields})


@pytest.mark.parametrize("status", ["submitting", "lost"])
def test_a_job_whose_answer_was_lost_is_adopted_and_read_in_the_first_run(
    both, vendors, status
):
    later = timezone.now() + timedelta(minutes=10)
    transcript = a_transcript(status, next_attempt_at=later)
    lists(both, vendors, listed_job(status="completed"))
    post = vendors.post(TRANSCRIPT, json=load("assemblyai/queued", id="second"))
    vendors.get(JOB, json=load("assemblyai/completed"))

    first, _ = table()
    second, _ = table()

    transcript.refresh_from_db()
    assert first["Jobs at AssemblyAI"] == (1, 1, 1)
    assert second["Jobs at AssemblyAI"] == (1, 0, 0)
    assert (transcript.text, transcript.jobs) == (TEXT, 1)
    assert post.call_count == 0


def test_a_job_that_is_not_finished_yet_is_adopted_and_left_to_the_worker(
    both, vendors
):
    transcript = a_transcript("lost")
    lists(both, vendors, listed_job(status="processing"))

    first, _ = table()
    second, _ = table()

    transcript.refresh_from_db()
    assert first["Jobs at AssemblyAI"] == (1, 1, 1)
    assert second["Jobs at AssemblyAI"] == (1, 0, 0)
    assert (transcript.status, transcript.assemblyai_id) == ("queued", JOB_ID)
    assert transcript.lease is None


def test_a_row_that_a_worker_submits_at_this_moment_is_left_to_it(both, vendors):
    lease, until = uuid4(), timezone.now() + timedelta(seconds=30)
    transcript = a_transcript("submitting", lease=lease, leased_until=until)
    lists(both, vendors, listed_job(status="completed"))

    rows, said = table()

    transcript.refresh_from_db()
    assert rows["Jobs at AssemblyAI"] == (1, 0, 0)
    assert "a moment ago or are being worked on: 1." in said
    assert (transcript.lease, transcript.status) == (lease, "submitting")


def test_a_list_that_fails_while_a_job_is_adopted_leaves_the_row_as_it_was(
    both, vendors
):
    later = timezone.now() + timedelta(minutes=10)
    transcript = a_transcript("lost", next_attempt_at=later, attempts=3)
    both.mock.get(CALLS, json=load("twilio/calls", calls=[]))
    both.mock.get(RECORDINGS, json=load("twilio/recordings", recordings=[]))
    job = listed_job(status="completed")
    both.mock.get(TRANSCRIPT, json=load("assemblyai/list", transcripts=[job]))
    both.mock.get(TRANSCRIPT, json=load("assemblyai/list"))
    both.mock.get(TRANSCRIPT, status=503)

    with pytest.raises(CommandError, match="Stopped half-way"):
        table()

    transcript.refresh_from_db()
    assert (transcript.lease, transcript.attempts) == (None, 3)
    assert seconds_until_next_attempt(transcript) > 590


def test_calls_of_other_systems_are_reported_and_not_imported(both):
    both.have(
        calls=[load("twilio/call", status="completed")],
        recordings=[load("twilio/recording")],
        jobs=[load("assemblyai/listed", status="completed", created=just_now())],
    )

    _, rest = table()

    assert "do not come from this site: 3. Use --all" in rest
    assert not Call.objects.exists()
    assert not Recording.objects.exists()


def test_option_all_imports_other_recordings_with_low_priority(both, vendors):
    both.have(recordings=[load("twilio/recording")])
    vendors.get(CALL, json=load("twilio/call", status="completed"))

    rows, _ = table("--all")

    transcript = Transcript.objects.get()
    assert rows["Recordings at Twilio"] == (1, 1, 1)
    assert transcript.recording.call.sid == CALL_SID
    assert transcript.priority < 0


def test_a_recording_whose_call_is_gone_at_twilio_is_passed_over(both, vendors):
    gone = "CA" + "9" * 32
    theirs = [
        load("twilio/recording", sid="RE" + "8" * 32, call_sid=gone),
        load("twilio/recording", sid="RE" + "7" * 32, call_sid=None),
        load("twilio/recording"),
    ]
    both.have(recordings=theirs)
    vendors.get(CALL.replace(CALL_SID, gone), **refusal(20404, 404))
    vendors.get(CALL, json=load("twilio/call", status="completed"))

    rows, rest = table("--all", "--limit", "1")

    assert rows["Recordings at Twilio"] == (3, 1, 1)
    assert Recording.objects.get().sid == RECORDING_SID
    assert "do not come from this site: 2." in rest
    assert "Use --all" not in rest


def test_a_call_of_theirs_is_stored_with_its_recording_or_not_at_all(
    both, vendors, monkeypatch
):
    both.have(recordings=[load("twilio/recording")])
    vendors.get(CALL, json=load("twilio/call", status="completed"))

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recording, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        table("--all")

    assert not Call.objects.exists()


def test_a_call_of_theirs_is_not_stored_if_its_recording_came_meanwhile(both, vendors):
    """Example: `manage.py transcribe` has just added the recording."""
    both.have(recordings=[load("twilio/recording")])

    def meanwhile(request):
        a_recording()
        return 200, {}, json.dumps(load("twilio/call", status="completed"))

    vendors.add_callback("GET", CALL, meanwhile)
    table("--all")

    assert not Call.objects.exists()


def test_no_more_than_the_limit_is_taken_in(both, vendors):
    theirs = []
    for number in range(3):
        sid = f"CA{number:032}"
        theirs.append(load("twilio/recording", sid=f"RE{number:032}", call_sid=sid))
        ended = load("twilio/call", sid=sid, status="completed")
        vendors.get(CALL.replace(CALL_SID, sid), json=ended)
    both.have(recordings=theirs)

    table("--all", "--limit", "2")

    assert Recording.objects.count() == 2


def test_a_call_that_still_goes_on_is_not_taken_in(both, vendors):
    both.have(recordings=[load("twilio/recording")])
    vendors.get(CALL, json=load("twilio/call", status="in-progress"))

    rows, _ = table("--all")

    assert rows["Recordings at Twilio"] == (1, 1, 0)
    assert not Recording.objects.exists()


def test_a_call_whose_answer_was_lost_is_looked_for(both):
    overdue = timezone.now() - timedelta(minutes=10)
    call = a_call(status="unknown", next_check_at=overdue)
    placed = load(
        "twilio/call",
        status="ringing",
        date_created=call.created_at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
    )
    both.have(calls=[placed])

    rows, _ = table()

    call.refresh_from_db()
    assert (call.sid, call.status) == (CALL_SID, "ringing")
    assert rows["Calls at Twilio"] == (1, 1, 1)


def test_a_call_whose_dial_request_still_runs_is_not_missing(both):
    a_call()
    both.have()

    rows, rest = table()

    assert rows["Calls at Twilio"] == (0, 0, 0)
    assert "a moment ago or are being worked on: 1." in rest


def test_a_vendor_that_is_away_ends_it_with_what_was_done_so_far(vendors):
    vendors.get(CALLS, status=500)
    out = StringIO()

    with pytest.raises(CommandError, match="Stopped half-way: Twilio answered"):
        call_command("reconcile", stdout=out)

    assert "Calls at Twilio" in out.getvalue()


@pytest.mark.parametrize("age", ["", "7", "0d", "-1d", "7 d", "1y", "99999h", "١d"])
def test_an_age_that_cannot_be_read_is_refused(age, capsys):
    with pytest.raises(SystemExit):
        reconcile.Command().run_from_argv(["manage.py", "reconcile", f"--since={age}"])

    said = capsys.readouterr().err
    assert f"argument --since: {age!r}: write 12h, 7d or 4w." in said


def test_second_run_after_a_full_repair_changes_nothing(both, vendors):
    call = a_call(sid=CALL_SID, status="ringing")
    ended = load("twilio/call", status="completed", duration="17", price="-0.01300")
    theirs = {"calls": [ended], "recordings": [load("twilio/recording")]}
    both.have(**theirs)

    first, _ = table()
    both.have(**theirs)
    second, rest = table()

    call.refresh_from_db()
    assert call.status == "completed"
    assert first["Calls at Twilio"] == first["Recordings at Twilio"] == (1, 1, 1)
    assert {missing for _, missing, _ in second.values()} == {0}
    assert {repaired for _, _, repaired in second.values()} == {0}
    assert rest == ""
    assert Transcript.objects.count() == 1


def test_with_all_run_twice_it_takes_nothing_in_twice(both, vendors):
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    for _ in range(2):
        both.have(recordings=[load("twilio/recording")])
    table("--all")

    rows, _ = table("--all")

    assert rows["Recordings at Twilio"] == (1, 0, 0)
    assert Call.objects.count() == Transcript.objects.count() == 1


def foreign_recordings(both, vendors, count):
    theirs = []
    for number in range(count):
        sid = f"CA{number:032}"
        theirs.append(load("twilio/recording", sid=f"RE{number:032}", call_sid=sid))
        ended = load("twilio/call", sid=sid, status="completed")
        vendors.get(CALL.replace(CALL_SID, sid), json=ended)
    both.have(recordings=theirs)


def test_the_next_run_takes_in_the_next_ones(both, vendors):
    foreign_recordings(both, vendors, 3)
    foreign_recordings(both, vendors, 3)

    _, rest = table("--all", "--limit", "2")
    table("--all", "--limit", "2")

    assert "do not come from this site: 1." in rest
    assert Recording.objects.count() == 3


@pytest.mark.parametrize("limit", ["0", "-1", "-100"])
def test_a_limit_below_one_takes_in_nothing(both, vendors, limit):
    """Each recording costs money, so -1 must not mean all of them."""
    foreign_recordings(both, vendors, 2)

    with suppress(CommandError):
        table("--all", f"--limit={limit}")

    assert not Recording.objects.exists()


def test_without_all_a_limit_alone_takes_in_nothing(both, vendors):
    foreign_recordings(both, vendors, 2)

    table("--limit", "2")

    assert not Recording.objects.exists()


def test_a_vendor_that_fails_half_way_leaves_what_was_mended_and_says_so(vendors):
    call = a_call(sid=CALL_SID, status="ringing")
    ended = load("twilio/call", status="completed", duration="17")
    vendors.get(CALLS, json=load("twilio/calls", calls=[ended]))
    vendors.get(CALLS, json=load("twilio/calls"))
    vendors.get(RECORDINGS, status=503)
    out = StringIO()

    with pytest.raises(CommandError, match="Stopped half-way"):
        call_command("reconcile", stdout=out, stderr=StringIO())

    call.refresh_from_db()
    assert call.status == "completed"
    line = next(line for line in out.getvalue().splitlines() if "Calls at" in line)
    assert line.split()[-3:] == ["1", "1", "1"]


def test_assemblyai_failing_at_the_end_leaves_what_came_from_twilio(vendors):
    a_call(sid=CALL_SID, status="completed")
    vendors.get(CALLS, json=load("twilio/calls", calls=[]))
    rows = load("twilio/recordings", recordings=[load("twilio/recording")])
    vendors.get(RECORDINGS, json=rows)
    vendors.get(TRANSCRIPT, status=401, json={"error": "Invalid API key"})

    with pytest.raises(CommandError, match="ASSEMBLYAI_KEY") as stopped:
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())

    assert Transcript.objects.count() == 1
    assert "tests-only-key" not in str(stopped.value)


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("screen", "has_bar"), [(StringIO, False), (Terminal, True)])
def test_a_progress_bar_is_for_terminals_only(both, screen, has_bar):
    both.have(calls=[load("twilio/call", status="completed")])
    out, err = StringIO(), screen()

    call_command("reconcile", stdout=out, stderr=err)

    assert ("[####" in err.getvalue()) is has_bar
    assert "#" not in out.getvalue()
    if not has_bar:
        assert err.getvalue() == ""


def test_no_number_and_no_secret_is_printed(both, vendors):
    foreign_recordings(both, vendors, 2)
    out, err = StringIO(), Terminal()

    call_command("reconcile", "--all", stdout=out, stderr=err)

    said = out.getvalue() + err.getvalue()
    for secret in ("tests-only", "5551234"):
        assert secret not in said


def listed_call(**changes):
    return load("twilio/call", status="completed", **changes)


def test_a_call_that_came_in_is_taken_in_with_its_direction(both, vendors):
    both.have(recordings=[load("twilio/recording")])
    inbound = {"direction": "inbound", "from": "+14155559876", "to": "+14155550100"}
    vendors.get(CALL, json=listed_call(**inbound))

    table("--all")

    call = Call.objects.get()
    assert (call.direction, call.kind) == ("inbound", "message")
    assert (call.other_number, call.our_number) == ("+14155559876", "+14155550100")


@pytest.mark.parametrize(
    ("parent", "other", "own"),
    [
        # The operator's phone was called first, then the phone of the other party.
        (
            {"direction": "outbound-api", "from": "+14155550100", "to": "+14155550199"},
            "+14155551234",
            "+14155550199",
        ),
        # Somebody called us and was connected to an operator.
        (
            {"direction": "inbound", "from": "+14155559876", "to": "+14155550100"},
            "+14155559876",
            "+14155551234",
        ),
    ],
)
def test_a_conversation_is_taken_in_with_both_parties(
    both, vendors, parent, other, own
):
    theirs = load("twilio/recording", source="DialVerb", channels=2)
    child = listed_call(
        sid="CA" + "4" * 32, parent_call_sid=CALL_SID, to="+14155551234"
    )
    vendors.get(
        CALLS,
        json=load("twilio/calls", calls=[child]),
        match=[query_param_matcher({"ParentCallSid": CALL_SID}, strict_match=False)],
    )
    both.have(recordings=[theirs])
    vendors.get(CALL, json=listed_call(**parent))

    table("--all")

    call = Call.objects.get()
    assert (call.kind, call.other_number) == ("conversation", other)
    assert call.leg.number == own
    assert (call.status, call.leg.status) == ("completed", "completed")
    assert Recording.objects.get().channels == 2


def test_the_lost_end_of_a_second_phone_is_found(both):
    call = a_call(sid=CALL_SID, status="ringing", kind="conversation")
    Leg.objects.create(call=call, number="+14155550199", status="in-progress")
    child = load(
        "twilio/call",
        sid="CA" + "4" * 32,
        parent_call_sid=CALL_SID,
        status="busy",
        **{"from": "+14155550100"},
    )
    both.have(calls=[child])

    rows, _ = table()

    call.refresh_from_db()
    assert (call.status, call.leg.status) == ("busy", "in-progress")
    assert rows["Calls at Twilio"] == (1, 1, 1)


def test_the_phone_of_an_operator_whose_call_was_refused_is_finished(both, vendors):
    refused = {"status": "failed", "error": "Twilio refused.", "next_check_at": None}
    call = a_call(kind="conversation", **refused)
    Leg.objects.create(call=call, number="+14155550199")
    a_call(**refused)
    both.have()

    first, _ = table()
    both.have()
    second, _ = table()

    call.refresh_from_db()
    assert (call.status, call.leg.status) == ("failed", "failed")
    assert first["Calls at Twilio"] == (0, 1, 1)
    assert second["Calls at Twilio"] == (0, 0, 0)
