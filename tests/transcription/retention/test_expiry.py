"""Expired data is deleted at Twilio, at AssemblyAI and here."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.utils import timezone

from caller.models import Contact, Note, Recording
from djtranscribe.worker import maintenance
from tests.caller.rows import (
    NUMBER,
    RECORDING,
    RECORDING_SID,
    a_call,
    a_recording,
    refusal,
)
from tests.data import wav
from tests.transcription.rows import JOB, TRANSCRIPT, a_transcript, advanced
from transcription.models import Deletion, Mistake, Transcript, Vocabulary
from transcription.retention import tasks
from transcription.review import editing
from transcription.review.current import Change
from transcription.tasks import start

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

TEXT = "Take metaprolyla twice a day."
UNKNOWN_JOB = {"error": "Transcript lookup error, transcript id not found"}


@pytest.fixture
def deletes(vendors):
    """Let both vendors accept all deletions. Return the mocked responses."""
    return {
        "recording": vendors.delete(RECORDING, status=204),
        "job": vendors.delete(JOB, json={"text": "Deleted by user."}),
    }


def a_text(days: int, **columns):
    """Create a finished transcript of a call that was recorded `days` days ago."""
    recording = a_recording(call=a_call(status="completed", **columns))
    transcript = a_transcript(
        "completed", recording=recording, text=TEXT, search_text="x"
    )
    recorded_at = timezone.now() - timedelta(days=days)
    Recording.objects.filter(pk=recording.pk).update(created_at=recorded_at)
    return transcript


def purge(*options):
    out = StringIO()
    call_command("purge", *options, stdout=out)
    return out.getvalue()


def test_nothing_is_deleted_unless_a_period_is_set(vendors):
    a_text(days=10_000)

    assert purge() == "Nothing to delete: no retention period has ended.\n"
    assert Transcript.objects.exists()


def test_expired_audio_is_deleted_at_twilio_and_here_and_text_is_kept(
    settings, deletes, media, browser
):
    settings.RETAIN_AUDIO_DAYS = 30
    transcript = a_text(days=31)
    assert list(media.rglob("*.wav"))

    said = purge()

    recording = Recording.objects.get()
    assert deletes["recording"].call_count == 1
    assert deletes["job"].call_count == 0
    assert not recording.audio
    assert recording.peaks is None
    assert not list(media.rglob("*.wav"))
    assert "recordings at Twilio: 1, audio files: 1" in said
    page = browser.get(recording.call.get_absolute_url()).content.decode()
    assert "Audio deleted" in page
    assert TEXT.split()[1] in page
    assert browser.get(recording.audio_url).status_code == 404
    # The audio is not requested from Twilio again, and the error says why.
    again = advanced(start(recording))
    assert again.error == (
        "The audio was deleted because its retention period had ended."
    )
    assert transcript.pk != again.pk


def test_expired_text_is_deleted_at_assemblyai_and_here_with_notes(
    settings, deletes, browser
):
    settings.RETAIN_TEXT_DAYS = 30
    transcript = a_text(days=31)
    editing.save(transcript, None, 0, [Change(1, 2, "metoprolol")])
    assert Mistake.objects.get().corrected == "metoprolol"
    note = Note.objects.create(call=transcript.recording.call, text="Call Dr. Who.")
    Note.objects.update(created_at=timezone.now() - timedelta(days=31))

    purge()

    assert deletes["job"].call_count == 1
    assert deletes["recording"].call_count == 0
    for model in (Transcript, Mistake, Note):
        assert not model._default_manager.exists()
    assert Recording.objects.get().audio
    page = browser.get(note.call.get_absolute_url()).content.decode()
    assert "Transcript deleted" in page
    row = Deletion.objects.get()
    assert row.counts == {"texts at AssemblyAI": 1, "texts": 1, "notes": 1}
    assert row.finished_at


@pytest.mark.parametrize(
    ("contact", "keyword_list", "setting", "is_deleted"),
    [
        (None, None, 30, True),
        (None, None, 32, False),
        (None, 60, 30, False),
        (None, 7, 0, True),
        (60, 7, 7, False),
        (7, 60, 60, True),
        (0, 7, 7, False),
        (None, 0, 7, False),
    ],
)
def test_retention_period_of_contact_precedes_keyword_list_and_setting(
    settings, deletes, contact, keyword_list, setting, is_deleted
):
    settings.RETAIN_AUDIO_DAYS = settings.RETAIN_TEXT_DAYS = setting
    days = {"retain_audio_days": keyword_list, "retain_text_days": keyword_list}
    vocabulary = Vocabulary.objects.create(name="Cardiology", **days)
    days = {"retain_audio_days": contact, "retain_text_days": contact}
    Contact.objects.create(name="Bob", **days).numbers.create(number=NUMBER)
    transcript = a_text(days=31, vocabulary=vocabulary)
    Transcript.objects.update(vocabulary=vocabulary)

    purge()

    assert Transcript.objects.filter(pk=transcript.pk).exists() != is_deleted
    assert bool(Recording.objects.get().audio) != is_deleted


def test_a_dry_run_counts_and_deletes_nothing(settings, vendors):
    settings.RETAIN_AUDIO_DAYS = settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)

    assert purge("--dry-run") == "audio: 1\ntranscripts: 1\nnotes: 0\n"
    assert Transcript.objects.exists()
    assert not Deletion.objects.exists()


def test_unfinished_transcript_is_not_deleted(settings, vendors):
    settings.RETAIN_AUDIO_DAYS = settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)
    Transcript.objects.update(status="processing")

    assert purge() == "Nothing to delete: no retention period has ended.\n"


def test_a_job_whose_id_was_lost_is_reported(settings, vendors):
    settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)
    Transcript.objects.update(
        status="error", assemblyai_id=None, submitted_at=timezone.now()
    )

    with pytest.raises(CommandError, match="AssemblyAI may still have jobs"):
        purge()

    assert not Transcript.objects.exists()


def test_a_transcript_that_is_retried_meanwhile_is_kept(settings, vendors):
    settings.RETAIN_TEXT_DAYS = 30
    failed = a_text(days=31)
    Transcript.objects.update(status="error", response={"status": "error"})
    failed.refresh_from_db()

    def slow(request):
        assert failed.retry()
        return 200, {}, "{}"

    vendors.add_callback("DELETE", JOB, slow)

    assert "Deleted: transcripts at AssemblyAI: 1." in purge()
    assert Transcript.objects.get().status == "fetched"


def test_audio_is_kept_and_retried_if_twilio_does_not_delete_it(
    settings, vendors, media
):
    settings.RETAIN_AUDIO_DAYS = 30
    a_text(days=31)
    vendors.delete(RECORDING, status=503)

    with pytest.raises(CommandError, match="Not everything could be deleted"):
        purge()

    assert Recording.objects.get().audio
    assert list(media.rglob("*.wav"))
    vendors.replace("DELETE", RECORDING, **refusal(20404, 404))
    purge()
    assert not Recording.objects.get().audio


def test_a_recording_that_twilio_refuses_to_delete_does_not_hold_up_others(
    settings, vendors
):
    settings.RETAIN_AUDIO_DAYS = 30
    a_text(days=32)
    other = a_recording(sid=RECORDING_SID[:-1] + "9", call=a_call(status="busy"))
    Recording.objects.filter(pk=other.pk).update(
        created_at=timezone.now() - timedelta(days=31)
    )
    vendors.delete(RECORDING, **refusal(20009, 409))
    vendors.delete(RECORDING.replace("3.json", "9.json"), status=204)

    with pytest.raises(CommandError, match="Not everything"):
        purge()

    other.refresh_from_db()
    assert other.audio_deleted_at


@pytest.fixture
def jobs(settings, vendors):
    """Create six expired texts. Return the mocked deletion of each job."""
    settings.RETAIN_TEXT_DAYS = 30
    for n in range(6):
        recording = a_recording(sid=None, source="file")
        a_transcript("completed", recording=recording, assemblyai_id=f"job-{n}")
        recorded_at = timezone.now() - timedelta(days=40 - n)
        Recording.objects.filter(pk=recording.pk).update(created_at=recorded_at)
    return [vendors.delete(f"{TRANSCRIPT}/job-{n}", json={}) for n in range(6)]


@pytest.mark.parametrize("failing", [[0], [0, 1, 3, 4]])
def test_jobs_that_assemblyai_fails_to_delete_do_not_hold_up_others(
    vendors, jobs, failing
):
    for n in failing:
        vendors.replace("DELETE", f"{TRANSCRIPT}/job-{n}", status=500)

    with pytest.raises(CommandError, match="Not everything could be deleted"):
        purge()

    left = Transcript.objects.order_by("pk").values_list("assemblyai_id", flat=True)
    assert list(left) == [f"job-{n}" for n in failing]


@pytest.mark.parametrize(
    ("error", "asked"),
    [({"status": 503}, 3), ({"status": 429, "headers": {"Retry-After": "60"}}, 1)],
)
def test_a_vendor_that_is_down_or_busy_is_asked_again_within_an_hour(
    vendors, jobs, work, error, asked
):
    for n in range(6):
        jobs[n] = vendors.replace("DELETE", f"{TRANSCRIPT}/job-{n}", **error)

    maintenance.delete_expired()
    work()
    assert sum(job.call_count for job in jobs) == asked
    assert Deletion.objects.get().finished_at is None

    for n in range(6):
        vendors.replace("DELETE", f"{TRANSCRIPT}/job-{n}", json={})
    maintenance.delete_expired()
    work()
    # The texts that could not be deleted are left for the next daily deletion.
    assert Transcript.objects.count() == asked
    assert Deletion.objects.get().finished_at


def test_a_file_that_cannot_be_deleted_does_not_hold_up_others(
    settings, vendors, monkeypatch
):
    settings.RETAIN_AUDIO_DAYS = 30
    stuck = a_text(days=32).recording
    other = a_recording(sid=None, source="file")
    other.store_audio([wav()])
    Recording.objects.filter(pk=other.pk).update(
        created_at=timezone.now() - timedelta(days=31)
    )
    vendors.delete(RECORDING, status=204)
    delete = FileSystemStorage.delete

    def protected(storage, name):
        if name == stuck.audio.name:
            raise PermissionError(13, "Permission denied")
        delete(storage, name)

    monkeypatch.setattr(FileSystemStorage, "delete", protected)
    with pytest.raises(CommandError, match="Permission denied"):
        purge()

    stuck.refresh_from_db()
    other.refresh_from_db()
    assert not stuck.audio_deleted_at
    assert other.audio_deleted_at


def test_a_job_that_assemblyai_does_not_know_is_deleted_here(settings, vendors):
    settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)
    vendors.delete(JOB, status=400, json=UNKNOWN_JOB)

    purge()

    assert not Transcript.objects.exists()


def test_the_worker_deletes_once_a_day(settings, deletes, work, transactional_db):
    settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)

    maintenance.delete_expired()
    work()
    assert not Transcript.objects.exists()

    Recording.objects.all().delete()
    a_text(days=31)
    maintenance.delete_expired()
    work()
    assert Transcript.objects.exists()
    Deletion.objects.update(begun_at=timezone.now() - timedelta(days=2))
    maintenance.delete_expired()
    work()
    assert not Transcript.objects.exists()


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_deletion_that_began_with_a_wrong_clock_deletes_only_what_is_due(
    settings, work, is_finished
):
    settings.RETAIN_TEXT_DAYS = 30
    call = a_call(status="completed")
    for days in (31, 10):
        note = Note.objects.create(call=call, text=f"{days} days old")
        written_at = timezone.now() - timedelta(days=days)
        Note.objects.filter(pk=note.pk).update(created_at=written_at)
    future = timezone.now() + timedelta(days=300)
    finished_at = future if is_finished else None
    Deletion.objects.create(reason="retention", finished_at=finished_at)
    Deletion.objects.update(begun_at=future)

    maintenance.delete_expired()
    work()

    assert Note.objects.get().text == "10 days old"


def test_another_worker_goes_on_where_one_was_killed(settings, deletes, work):
    settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)
    killed = timezone.now() - timedelta(minutes=1)
    row = Deletion.objects.create(reason="retention", leased_until=killed)

    maintenance.delete_expired()
    work()

    row.refresh_from_db()
    assert row.finished_at
    assert row.counts["texts"] == 1


def test_a_slow_worker_does_not_overwrite_what_another_has_finished(settings, vendors):
    settings.RETAIN_TEXT_DAYS = 30
    a_text(days=31)
    row = Deletion.objects.create(reason="retention")

    def slow(request):
        vendors.replace("DELETE", JOB, json={})
        Deletion.objects.update(leased_until=timezone.now() - timedelta(minutes=1))
        while tasks.run_slice(row.pk):
            pass
        return 200, {}, "{}"

    vendors.add_callback("DELETE", JOB, slow)

    assert tasks.run_slice(row.pk) is False

    row.refresh_from_db()
    assert row.finished_at
    assert row.counts == {"texts at AssemblyAI": 1, "texts": 1}
