"""While a vendor is paused, its work waits and does not fail.

A pause begins when a vendor is busy or refuses our account (key, balance). A probe is a
request during a pause, to see if the vendor accepts requests again.
"""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from caller import tasks
from caller.models import Call
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

guard_request = VendorPause.objects.guard_request


def rows(count, status="queued"):
    recording = a_recording()
    return [
        a_transcript(status, recording=recording, assemblyai_id=f"job-{number}")
        for number in range(count)
    ]


def test_other_rows_send_no_request_after_a_refusal(vendors):
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


def test_successful_probe_ends_the_pause(vendors):
    transcripts = rows(3)
    VendorPause.objects.create(vendor="assemblyai", probe_at=timezone.now())
    url = JOB.replace(JOB[-36:], "job-0")
    vendors.get(url, json=load("assemblyai/completed", id="job-0"))

    advanced(transcripts[0])

    assert transcripts[0].text == TEXT
    assert not VendorPause.objects.exists()


def test_only_one_of_two_workers_may_probe():
    pause = VendorPause.objects.create(vendor="twilio", probe_at=timezone.now())
    same = VendorPause.objects.get()

    assert [pause.may_send(), same.may_send()] == [True, False]


def test_pause_made_before_the_clock_was_set_back_allows_a_probe():
    future = timezone.now() + timedelta(days=1)
    pause = VendorPause.objects.create(vendor="twilio", probe_at=future)

    assert pause.may_send()


def limited(vendors, seconds=120):
    """Let AssemblyAI answer 429 with Retry-After. Return (refused row, other rows)."""
    answer = {"status": 429, "headers": {"Retry-After": str(seconds)}}
    first, *others = rows(3)
    vendors.get(JOB.replace(JOB[-36:], "job-0"), **answer)
    advanced(first)
    return first, others


def test_rate_limit_delays_all_rows_without_counting_an_attempt(vendors, client):
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


def test_all_rows_continue_when_the_rate_limit_ends(vendors):
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

    with (
        guard_request("assemblyai"),
        suppress(VendorError),
        guard_request("assemblyai"),
    ):
        raise AssemblyAIError("Busy.", account=True, retry_after=120.0, code=429)

    assert VendorPause.objects.get().seconds_left() > 118


def test_the_longer_of_two_waits_counts():
    def refuse(seconds):
        error = AssemblyAIError("Busy.", account=True, retry_after=seconds, code=429)
        VendorPause.objects.start(error)
        return VendorPause.objects.get().seconds_left()

    assert 58 < refuse(60) <= 60
    assert 58 < refuse(1) <= 60
    assert 88 < refuse(90) <= 90


def test_a_limit_ends_no_pause_for_the_account(no_money):
    with suppress(VendorError), guard_request("assemblyai", "submit"):
        raise AssemblyAIError("Busy.", account=True, retry_after=120.0, code=429)

    assert VendorPause.objects.get().reason == "Please top it up."


def test_a_limit_longer_than_twenty_minutes_is_cut():
    with suppress(VendorError), guard_request("assemblyai"):
        raise AssemblyAIError("Busy.", account=True, retry_after=86400.0, code=429)

    wait = VendorPause.objects.get().probe_at - timezone.now()
    assert timedelta(minutes=19) < wait <= timedelta(minutes=20)


@pytest.fixture
def no_money():
    """Pause AssemblyAI because of a negative balance, and make the next probe due."""
    with suppress(VendorError), guard_request("assemblyai", "submit"):
        raise AssemblyAIError("Please top it up.", permanent=True, account=True)
    with pytest.raises(VendorError, match="top it up"), guard_request("assemblyai"):
        pass
    VendorPause.objects.update(probe_at=timezone.now())


def test_polling_a_job_does_not_end_a_negative_balance_pause(no_money):
    for _ in range(3):
        with guard_request("assemblyai"):
            pass

    assert VendorPause.objects.get().reason == "Please top it up."


def test_accepted_job_ends_a_negative_balance_pause(no_money):
    with guard_request("assemblyai"):
        pass
    with guard_request("assemblyai", "submit"):
        pass

    assert not VendorPause.objects.exists()


def test_any_successful_request_ends_the_pause_for_a_refused_key():
    with suppress(VendorError), guard_request("assemblyai", "submit"):
        raise AssemblyAIError("The key.", permanent=True, account=True, code=401)
    VendorPause.objects.update(probe_at=timezone.now())

    with guard_request("assemblyai"):
        pass

    assert not VendorPause.objects.exists()


def test_other_requests_are_blocked_during_a_probe(no_money):
    with (
        guard_request("assemblyai", "submit"),
        pytest.raises(VendorError, match="top it up"),
        guard_request("assemblyai"),
    ):
        pass


def test_key_refused_during_a_balance_pause_is_cleared_by_any_success(no_money):
    with suppress(VendorError), guard_request("assemblyai"):
        raise AssemblyAIError("The key.", permanent=True, account=True)
    VendorPause.objects.update(probe_at=timezone.now())

    with guard_request("assemblyai"):
        pass

    assert not VendorPause.objects.exists()


def test_pause_that_starts_during_a_poll_is_not_ended_by_that_poll():
    VendorPause.objects.create(vendor="assemblyai", probe_at=timezone.now())

    with guard_request("assemblyai"):
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


def test_step_without_a_twilio_request_does_not_end_the_twilio_pause(vendors):
    VendorPause.objects.create(vendor="twilio", probe_at=timezone.now())
    transcript = a_transcript("pending", recording=a_recording(sid=None, source="file"))
    transcript.recording.store_audio([wav()])
    vendors.post("https://api.assemblyai.com/v2/upload", status=503)

    advanced(transcript)

    assert VendorPause.objects.filter(vendor="twilio").exists()


def test_twilios_refusal_pauses_its_downloads_and_its_checks(vendors):
    asked = vendors.get(MEDIA, **refusal(20003, 401))
    transcript = a_transcript("pending")
    call = a_call(sid=CALL_SID, status="ringing", next_check_at=timezone.now())

    advanced(transcript)
    tasks.check_call.call(call.pk)

    assert asked.call_count == 1
    assert VendorPause.objects.get().vendor == "twilio"


def test_a_check_that_is_refused_pauses_twilio_and_one_that_succeeds_ends_it(vendors):
    call = a_call(sid=CALL_SID, status="ringing", next_check_at=timezone.now())
    vendors.get(CALL, **refusal(20003, 401))
    vendors.get(CALL, json=load("twilio/call", status="ringing"))

    tasks.check_call.call(call.pk)
    paused = VendorPause.objects.count()
    make_due(a_transcript("error"))
    Call.objects.update(next_check_at=timezone.now())
    tasks.check_call.call(call.pk)

    assert (paused, VendorPause.objects.count()) == (1, 0)


def test_admin_filter_finds_paused_rows(browser, vendors):
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


def test_admin_filter_finds_stuck_rows(browser):
    transcript = a_transcript("queued")
    Transcript.objects.update(created_at=timezone.now() - timedelta(minutes=16))

    page = browser.get("/admin/transcription/transcript/?attention=stuck")

    assert f"/transcript/{transcript.pk}/change/" in page.text
