"""If a vendor refuses our account (key, balance), its work waits and does not fail."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from caller import tasks
from djtranscribe.models import VendorPause
from djtranscribe.vendors.errors import VendorError
from tests.caller.rows import CALL, CALL_SID, MEDIA, a_call, a_recording, refusal
from tests.data import load, wav
from tests.transcription.rows import (
    JOB,
    TEXT,
    a_transcript,
    advanced,
    make_due,
    seconds_until_next_attempt,
)
from transcription.assemblyai.client import AssemblyAIError
from transcription.models import Transcript

pytestmark = pytest.mark.django_db

asking = VendorPause.objects.asking


def rows(count, status="queued"):
    recording = a_recording()
    return [
        a_transcript(status, recording=recording, assemblyai_id=f"job-{number}")
        for number in range(count)
    ]


def test_after_one_refusal_no_other_row_asks(vendors):
    transcripts = rows(5)
    for number in range(5):
        vendors.get(JOB.replace(JOB[-36:], f"job-{number}"), status=401)

    for transcript in transcripts:
        advanced(transcript)

    assert len(vendors.calls) == 1
    assert {row.status for row in transcripts} == {"queued"}
    assert {row.error_class for row in transcripts} == {"account"}
    assert {row.attempts for row in transcripts} == {0}
    assert all("ASSEMBLYAI_KEY" in row.error for row in transcripts)
    assert VendorPause.objects.get().vendor == "assemblyai"


def test_of_many_rows_one_is_let_through_to_see_and_ends_the_pause(vendors):
    transcripts = rows(3)
    VendorPause.objects.create(vendor="assemblyai", probe_at=timezone.now())
    url = JOB.replace(JOB[-36:], "job-0")
    vendors.get(url, json=load("assemblyai/completed", id="job-0"))

    advanced(transcripts[0])

    assert transcripts[0].text == TEXT
    assert not VendorPause.objects.exists()


def test_of_two_who_see_the_pause_one_may_try():
    pause = VendorPause.objects.create(vendor="twilio", probe_at=timezone.now())
    same = VendorPause.objects.get()

    assert [pause.lets_through(), same.lets_through()] == [True, False]


def test_a_pause_from_before_the_clock_was_put_back_lets_through():
    future = timezone.now() + timedelta(days=1)
    pause = VendorPause.objects.create(vendor="twilio", probe_at=future)

    assert pause.lets_through()


def limited(vendors, seconds=120):
    """Let AssemblyAI answer 429 with Retry-After. Return (refused row, other rows)."""
    answer = {"status": 429, "headers": {"Retry-After": str(seconds)}}
    first, *others = rows(3)
    vendors.get(JOB.replace(JOB[-36:], "job-0"), **answer)
    advanced(first)
    return first, others


def test_a_limit_of_requests_holds_for_all_rows_and_costs_no_attempt(vendors, client):
    first, others = limited(vendors)

    for transcript in others:
        advanced(transcript)

    assert len(vendors.calls) == 1
    for transcript in (first, *others):
        assert 118 < seconds_until_next_attempt(transcript) <= 120
        assert transcript.attempts == 0
        assert "busy with our earlier requests" in transcript.error
    # /healthz does not report this pause, because it ends by itself.
    assert client.get("/healthz").json()["paused"] == {}


def test_when_the_limit_is_over_all_go_on_at_once(vendors):
    _, transcripts = limited(vendors)
    for number in (1, 2):
        url = JOB.replace(JOB[-36:], f"job-{number}")
        vendors.get(url, json=load("assemblyai/completed", id=f"job-{number}"))

    for transcript in transcripts:
        make_due(transcript)
        advanced(transcript)

    assert [transcript.text for transcript in transcripts] == [TEXT] * 2
    assert not VendorPause.objects.exists()


def test_a_request_that_succeeds_does_not_end_a_limit_that_began_meanwhile():
    VendorPause.objects.create(
        vendor="assemblyai", refused="busy", probe_at=timezone.now()
    )

    with asking("assemblyai"), suppress(VendorError), asking("assemblyai"):
        raise AssemblyAIError("Busy.", account=True, retry_after=120.0, code=429)

    assert VendorPause.objects.get().seconds_left() > 118


def test_a_limit_ends_no_pause_for_the_account(no_money):
    with suppress(VendorError), asking("assemblyai", "submit"):
        raise AssemblyAIError("Busy.", account=True, retry_after=120.0, code=429)

    assert VendorPause.objects.get().reason == "Please top it up."


def test_a_limit_longer_than_twenty_minutes_is_cut():
    with suppress(VendorError), asking("assemblyai"):
        raise AssemblyAIError("Busy.", account=True, retry_after=86400.0, code=429)

    wait = VendorPause.objects.get().probe_at - timezone.now()
    assert timedelta(minutes=19) < wait <= timedelta(minutes=20)


@pytest.fixture
def no_money():
    """AssemblyAI refused a job because of our balance. The next probe is due."""
    with suppress(VendorError), asking("assemblyai", "submit"):
        raise AssemblyAIError("Please top it up.", permanent=True, account=True)
    with pytest.raises(VendorError, match="top it up"), asking("assemblyai"):
        pass
    VendorPause.objects.update(probe_at=timezone.now())


def test_without_money_a_look_at_a_job_ends_no_pause_and_delays_none(no_money):
    for _ in range(3):
        with asking("assemblyai"):
            pass

    assert VendorPause.objects.get().reason == "Please top it up."


def test_once_there_is_money_the_next_job_ends_the_pause(no_money):
    with asking("assemblyai"):
        pass
    with asking("assemblyai", "submit"):
        pass

    assert not VendorPause.objects.exists()


def test_a_key_that_is_refused_for_a_job_is_proven_mended_by_anything():
    with suppress(VendorError), asking("assemblyai", "submit"):
        raise AssemblyAIError("The key.", permanent=True, account=True, code=401)
    VendorPause.objects.update(probe_at=timezone.now())

    with asking("assemblyai"):
        pass

    assert not VendorPause.objects.exists()


def test_while_a_job_is_tried_again_nobody_else_asks(no_money):
    with (
        asking("assemblyai", "submit"),
        pytest.raises(VendorError, match="top it up"),
        asking("assemblyai"),
    ):
        pass


def test_a_key_that_is_refused_amid_that_is_proven_mended_by_anything(no_money):
    with suppress(VendorError), asking("assemblyai"):
        raise AssemblyAIError("The key.", permanent=True, account=True)
    VendorPause.objects.update(probe_at=timezone.now())

    with asking("assemblyai"):
        pass

    assert not VendorPause.objects.exists()


def test_a_pause_that_began_amid_a_look_is_not_ended_by_it():
    VendorPause.objects.create(vendor="assemblyai", probe_at=timezone.now())

    with asking("assemblyai"):
        later = timezone.now() + timedelta(seconds=25)
        VendorPause.objects.update(refused="submit", probe_at=later)

    assert VendorPause.objects.get().probe_at == later


def test_a_pause_of_twilio_does_not_hold_work_with_assemblyai(vendors):
    later = timezone.now() + timedelta(seconds=25)
    VendorPause.objects.create(vendor="twilio", probe_at=later)
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(transcript)

    assert transcript.text == TEXT
    assert VendorPause.objects.count() == 1


def test_audio_that_is_stored_already_needs_no_twilio(vendors):
    later = timezone.now() + timedelta(seconds=25)
    VendorPause.objects.create(vendor="twilio", probe_at=later)
    transcript = a_transcript("pending", recording=a_recording(sid=None, source="file"))
    transcript.recording.store_audio([wav()])
    vendors.post("https://api.assemblyai.com/v2/upload", status=503)

    advanced(transcript)

    assert transcript.status == "fetched"


def test_a_step_that_asks_nobody_ends_no_pause(vendors):
    VendorPause.objects.create(vendor="twilio", probe_at=timezone.now())
    transcript = a_transcript("pending", recording=a_recording(sid=None, source="file"))
    transcript.recording.store_audio([wav()])
    vendors.post("https://api.assemblyai.com/v2/upload", status=503)

    advanced(transcript)

    assert VendorPause.objects.filter(vendor="twilio").exists()


def test_twilios_refusal_pauses_its_downloads_and_its_checks(vendors):
    asked = vendors.get(MEDIA, **refusal(20003, 401))
    transcript = a_transcript("pending")
    call = a_call(sid=CALL_SID, status="ringing")

    advanced(transcript)
    tasks.check_call.call(call.pk)

    assert asked.call_count == 1
    assert VendorPause.objects.get().vendor == "twilio"


def test_a_check_that_is_refused_pauses_twilio_and_one_that_succeeds_ends_it(vendors):
    call = a_call(sid=CALL_SID, status="ringing")
    vendors.get(CALL, **refusal(20003, 401))
    vendors.get(CALL, json=load("twilio/call", status="ringing"))

    tasks.check_call.call(call.pk)
    paused = VendorPause.objects.count()
    make_due(a_transcript("error"))
    tasks.check_call.call(call.pk)

    assert (paused, VendorPause.objects.count()) == (1, 0)


def test_held_rows_are_found_in_admin(browser, vendors):
    transcript = a_transcript("queued")
    vendors.get(JOB, status=401)
    advanced(transcript)

    page = browser.get("/admin/transcription/transcript/?attention=paused")
    others = browser.get("/admin/transcription/transcript/?attention=failed")
    stuck = browser.get("/admin/transcription/transcript/?attention=stuck")

    path = f"/admin/transcription/transcript/{transcript.pk}/change/"
    assert path in page.text
    assert path not in others.text
    assert path not in stuck.text


def test_a_row_that_is_long_on_its_way_is_found_in_admin(browser):
    transcript = a_transcript("queued")
    Transcript.objects.update(created_at=timezone.now() - timedelta(minutes=16))

    page = browser.get("/admin/transcription/transcript/?attention=stuck")

    assert f"/transcript/{transcript.pk}/change/" in page.text
