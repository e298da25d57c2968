"""The commands `transcribe` and `print_transcription`."""

import json
from datetime import timedelta
from io import StringIO

import pytest
import requests
import responses
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from caller.models import Recording
from caller.recordings import cleanup
from djtranscribe.worker import maintenance
from tests.caller.rows import (
    CALL_SID,
    MEDIA,
    RECORDING,
    RECORDING_SID,
    a_call,
    a_recording,
    refusal,
)
from tests.data import load, wav
from tests.transcription.rows import (
    JOB,
    JOB_ID,
    TEXT,
    TRANSCRIPT,
    UPLOAD,
    a_transcript,
    advanced,
    answers_well,
)
from transcription.management import recordings
from transcription.models import Transcript, Vocabulary
from transcription.review import editing
from transcription.review.current import Change

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(recordings, "POLL_SECONDS", 0)


def printed(*arguments):
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_file_is_transcribed_and_its_text_printed(tmp_path, vendors):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    answers_well(vendors)

    out, err = printed("transcribe", str(path))

    transcript = Transcript.objects.get()
    assert out == f"{TEXT}\n"
    assert f"Transcript {transcript.pk}: " in err
    assert (transcript.recording.source, transcript.recording.call) == ("file", None)
    assert str(transcript) == "Transcript of a file"
    assert transcript.recording.audio


def test_a_terminal_gets_one_progress_line_that_is_cleared(tmp_path, vendors):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    answers_well(vendors)
    err = Terminal()

    call_command("transcribe", str(path), stdout=StringIO(), stderr=err)

    assert "\n" not in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[K")


def test_an_address_is_transcribed(vendors):
    vendors.get("https://example.com/call.wav", body=wav(2))
    answers_well(vendors)

    out, _ = printed("transcribe", "https://example.com/call.wav")

    assert out == f"{TEXT}\n"
    assert Recording.objects.get().source == "url"


@pytest.mark.django_db(transaction=True)
def test_a_download_does_not_block_other_writers(vendors):
    def slow(request):
        assert not connection.in_atomic_block
        # No worker transcribes a recording with this status.
        assert Recording.objects.get().status == "in-progress"
        return 200, {}, wav(2)

    vendors.add_callback("GET", "https://example.com/call.wav", slow)
    answers_well(vendors)

    out, _ = printed("transcribe", "https://example.com/call.wav")

    assert out == f"{TEXT}\n"
    assert Recording.objects.get().status == "completed"


def a_day_passes():
    Recording.objects.update(created_at=timezone.now() - timedelta(hours=25))
    for prune in maintenance.PRUNING:
        prune()


def test_the_recording_of_a_killed_command_has_failed_after_a_day(
    tmp_path, monkeypatch, media
):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    at_twilio = a_recording(status="in-progress")

    def killed(*args):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(Recording, "store_audio", killed)
        # A killed process runs no cleanup, so the row stays.
        patched.setattr(Recording, "delete", lambda self: None)
        with pytest.raises(SystemExit):
            printed("transcribe", str(path))

    for prune in maintenance.PRUNING:
        prune()
    assert Recording.objects.get(source="file").status == "in-progress"
    a_day_passes()
    left = Recording.objects.get(source="file")
    assert (left.status, left.error) == ("failed", cleanup.INTERRUPTED)
    at_twilio.refresh_from_db()
    assert at_twilio.status == "in-progress"


def test_a_download_that_takes_more_than_a_day_is_transcribed(vendors):
    def slow(request):
        a_day_passes()
        return 200, {}, wav(2)

    vendors.add_callback("GET", "https://example.com/call.wav", slow)
    answers_well(vendors)

    out, _ = printed("transcribe", "https://example.com/call.wav")

    recording = Recording.objects.get()
    assert out == f"{TEXT}\n"
    assert (recording.status, recording.error) == ("completed", "")


def test_a_recording_that_we_have_is_transcribed_once_more(vendors):
    recording = a_recording()
    a_transcript("completed", recording=recording, assemblyai_id="old", text="Old.")
    answers_well(vendors)

    out, _ = printed("transcribe", RECORDING_SID)

    assert out == f"{TEXT}\n"
    assert sorted(Transcript.objects.values_list("text", flat=True)) == ["Old.", TEXT]


def test_a_recording_that_only_twilio_has_is_fetched_and_joined_to_its_call(vendors):
    call = a_call(sid=CALL_SID)
    vendors.get(RECORDING, json=load("twilio/recording"))
    vendors.get(MEDIA, body=wav(2))
    answers_well(vendors)

    out, _ = printed("transcribe", RECORDING_SID)

    recording = Recording.objects.get()
    assert out == f"{TEXT}\n"
    assert (recording.call, recording.duration_seconds) == (call, 7)


def test_vocabulary_option_sends_the_keyword_list(tmp_path, vendors):
    Vocabulary.objects.create(name="Cardiology", terms="metoprolol")
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    theirs = answers_well(vendors)

    printed("transcribe", str(path), "--vocabulary", "Cardiology")

    body = json.loads(theirs["submit"].calls[0].request.body)
    assert body["keyterms_prompt"] == ["metoprolol"]


@pytest.mark.parametrize(
    ("arguments", "multichannel"), [([], True), (["--mono"], None)]
)
def test_the_channels_of_a_file_are_speakers_unless_they_are_mixed(
    tmp_path, vendors, arguments, multichannel
):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2, channels=2))
    theirs = answers_well(vendors)

    printed("transcribe", str(path), *arguments)

    body = json.loads(theirs["submit"].calls[0].request.body)
    assert body.get("multichannel") == multichannel
    assert Recording.objects.get().duration_seconds == 2


@pytest.mark.parametrize(("lists", "named"), [((), "none yet"), (("House",), "House")])
def test_a_keyword_list_that_does_not_exist_is_named_with_those_that_do(lists, named):
    for name in lists:
        Vocabulary.objects.create(name=name)

    with pytest.raises(CommandError, match=named):
        printed("transcribe", "x.wav", "--vocabulary", "Cardiology")


@pytest.mark.parametrize(
    "source",
    ["nonsense", "/", "", "RE1", "ftp://example.com/x.wav", "http://[", "https://"],
)
def test_invalid_source_is_refused_and_creates_no_row(source):
    with pytest.raises(CommandError):
        printed("transcribe", source)

    assert not Recording.objects.exists()


def test_a_file_that_is_no_audio_is_refused_and_leaves_no_row(tmp_path):
    path = tmp_path / "call.wav"
    path.write_bytes(b"<html>")

    with pytest.raises(CommandError, match="cannot be transcribed"):
        printed("transcribe", str(path))

    assert not Recording.objects.exists()


def test_a_full_storage_is_not_called_an_unreadable_file(
    tmp_path, vendors, monkeypatch
):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "save", full)

    with pytest.raises(CommandError) as error:
        printed("transcribe", str(path))

    assert "could not be stored or read: No space left" in str(error.value)
    assert not Recording.objects.exists()
    with pytest.raises(CommandError, match=r"none\.wav could not be read: No such"):
        printed("transcribe", "none.wav")


def test_a_transcript_that_is_deleted_meanwhile_is_not_waited_for(tmp_path, vendors):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))

    def deleting(request):
        Transcript.objects.all().delete()
        return 200, {}, json.dumps(load("assemblyai/upload"))

    vendors.add_callback("POST", UPLOAD, deleting)

    with pytest.raises(CommandError, match="was deleted"):
        printed("transcribe", str(path))


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"body": requests.ConnectionError("refused")},
        {"body": "<html>login</html>"},
        {"body": requests.ReadTimeout("slow")},
    ],
)
def test_an_address_without_audio_is_refused_and_leaves_no_row(vendors, answer):
    vendors.get("https://example.com/call.wav", **answer)

    with pytest.raises(CommandError, match="cannot be transcribed"):
        printed("transcribe", "https://example.com/call.wav")

    assert not Recording.objects.exists()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (refusal(20404, 404), "20404"),
        ({"status": 500}, "internal error"),
        ({"json": load("twilio/recording", status="absent")}, "its status is absent"),
        (
            {"json": load("twilio/recording", status="processing")},
            "its status is processing",
        ),
    ],
)
def test_a_recording_without_audio_at_twilio_is_refused_in_words(
    vendors, answer, sentence
):
    vendors.get(RECORDING, **answer)

    with pytest.raises(CommandError, match=sentence):
        printed("transcribe", RECORDING_SID)

    assert not Transcript.objects.exists()


def test_absent_recording_is_refused_without_asking_twilio():
    a_recording(status="absent")

    with pytest.raises(CommandError, match="its status is absent"):
        printed("transcribe", RECORDING_SID)


def test_command_fails_with_the_error_of_the_job(tmp_path, vendors):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    vendors.post(UPLOAD, json=load("assemblyai/upload"))
    vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))
    vendors.get(
        JOB, json=load("assemblyai/error", error="Audio duration is too short.")
    )

    with pytest.raises(CommandError, match="too short"):
        printed("transcribe", str(path))


def test_silence_prints_an_empty_text_and_a_message(tmp_path, vendors):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    vendors.post(UPLOAD, json=load("assemblyai/upload"))
    vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))
    vendors.get(JOB, json=load("assemblyai/completed", text="", words=[]))

    out, err = printed("transcribe", str(path))

    assert out == "\n"
    assert "Nobody spoke" in err


def test_ctrl_c_leaves_the_transcript_to_the_worker(tmp_path, vendors):
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    err = StringIO()

    def ctrl_c(request):
        raise KeyboardInterrupt

    vendors.add_callback(responses.POST, UPLOAD, ctrl_c)

    with pytest.raises(SystemExit) as stopped:
        call_command("transcribe", str(path), stdout=StringIO(), stderr=err)

    transcript = Transcript.objects.get()
    assert stopped.value.code == 130
    assert f"print_transcription {transcript.pk}" in err.getvalue()
    assert not transcript.is_finished


def test_two_files_of_one_name_stay_two_files(tmp_path, vendors):
    answers_well(vendors)
    path = tmp_path / "call.wav"
    path.write_bytes(wav(2))
    printed("transcribe", str(path))
    Transcript.objects.update(assemblyai_id=None)
    path.write_bytes(wav(3))
    printed("transcribe", str(path))

    sums = set(Recording.objects.values_list("sha256", flat=True))
    names = set(Recording.objects.values_list("audio", flat=True))
    assert (len(sums), len(names)) == (2, 2)


# print_transcription


@pytest.fixture
def finished(vendors):
    transcript = a_transcript("queued")
    vendors.get(JOB, json=load("assemblyai/completed"))

    return advanced(transcript)


@pytest.mark.parametrize("name", ["pk", "uuid", "assemblyai_id"])
def test_a_transcript_is_printed_by_any_of_its_names(finished, name):
    out, _ = printed("print_transcription", str(getattr(finished, name)))

    assert out == f"{TEXT}\n"


def test_json_has_the_whole_answer(finished):
    out, _ = printed("print_transcription", JOB_ID, "--json")

    assert json.loads(out) == load("assemblyai/completed")


def test_json_has_the_corrected_words(finished, operator):
    editing.save(finished, operator, 0, [Change(1, 2, "ring")])

    out, _ = printed("print_transcription", JOB_ID, "--json")

    answer = json.loads(out)
    assert answer["text"].startswith("Please ring")
    assert answer["words"][1] | {"speaker": ""} == {
        "text": "ring",
        "start": 560,
        "end": 800,
        "confidence": None,
        "speaker": "",
    }


def test_words_are_printed_with_times_and_confidence(finished):
    finished.words[1]["confidence"] = None
    finished.save()

    out, _ = printed("print_transcription", JOB_ID, "--words")

    assert out.splitlines()[:2] == ["240\t560\t0.99\tPlease", "560\t800\t\tcall"]


@pytest.mark.parametrize(
    "name", ["0", "999", "9" * 18, "9" * 50, "x", "", JOB_ID, "١", "-1"]
)
def test_unknown_transcript_is_reported(name):
    with pytest.raises(CommandError, match="no transcript"):
        printed("print_transcription", "--", name)


def test_unfinished_transcript_reports_its_status():
    transcript = a_transcript("queued")

    with pytest.raises(CommandError, match="not finished: Queued at AssemblyAI"):
        printed("print_transcription", str(transcript.pk))


def test_failed_transcript_reports_its_error():
    transcript = a_transcript("error", error="Too short.")

    with pytest.raises(CommandError, match=r"Too short\."):
        printed("print_transcription", str(transcript.pk))


def test_silent_transcript_prints_only_a_message():
    transcript = a_transcript("completed")

    out, err = printed("print_transcription", str(transcript.pk))

    assert out == ""
    assert "Nobody spoke" in err
