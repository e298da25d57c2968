"""Recordings in an object store. The tests use a local S3 server, over HTTP."""

import hashlib
from datetime import timedelta
from io import StringIO
from random import Random

import boto3
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone
from moto.server import ThreadedMotoServer

from caller.models import Recording
from caller.recordings import cleanup, waveform
from tests.caller.rows import RECORDING_SID, a_call, a_recording
from tests.chaos.waiting import free_port
from tests.data import wav
from tests.processes import environment, shell
from tests.transcription.rows import advanced, answers_well
from transcription.tasks import start

pytestmark = pytest.mark.django_db

BUCKET = "recordings"
HEADER = wav(seconds=60)[:44]
# All parts of noise differ, so the tests notice a wrong range. A minute of noise is
# longer than BUFFER_BYTES.
SOUND = HEADER + Random(0).randbytes(60 * 16_000)


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server, settings, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = boto3.resource("s3", endpoint_url=server).create_bucket(Bucket=BUCKET)
    options = {"bucket_name": BUCKET, "endpoint_url": server}
    backend = "caller.recordings.object_storage.ObjectStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": backend, "OPTIONS": options},
    }
    yield made
    made.objects.all().delete()


@pytest.fixture
def ranges():
    """Return a list. The range of each request to the store is added to it."""
    seen = []

    def note(request, **more):
        seen.append(request.headers.get("Range", b"").decode())

    default_storage.bucket.meta.client.meta.events.register(
        "before-send.s3.GetObject", note
    )
    return seen


def keys(bucket):
    return [row.key for row in bucket.objects.all()]


def test_audio_is_stored_measured_and_played_from_any_place(bucket, ranges, browser):
    recording = a_recording(call=a_call(status="completed"))
    recording.store_audio([SOUND])

    whole = browser.get(recording.audio_url)
    part = browser.get(recording.audio_url, headers={"Range": "bytes=500000-500099"})

    assert keys(bucket) == [recording.audio.name]
    assert recording.sha256 == hashlib.sha256(SOUND).hexdigest()
    assert recording.duration_seconds == 60
    assert b"".join(whole.streaming_content) == SOUND
    assert part.status_code == 206
    assert b"".join(part.streaming_content) == SOUND[500000:500100]
    assert ranges[-1] == "bytes=500000-"
    with recording.audio.open("rb") as file:
        assert waveform.measure(file) == recording.peaks


def test_audio_from_object_storage_is_submitted_for_transcription(bucket, vendors):
    answers = answers_well(vendors)
    recording = a_recording()
    recording.store_audio([SOUND])

    transcript = advanced(start(recording))

    assert transcript.status == "queued"
    assert answers["upload"].calls[0].request.body is not None


def test_deleting_a_recording_deletes_its_object(
    bucket, django_capture_on_commit_callbacks
):
    recording = a_recording(call=a_call(status="completed"))
    recording.store_audio([SOUND])
    old = recording.audio.name
    Recording.objects.update(audio="")
    recording.refresh_from_db()
    recording.store_audio([SOUND])

    deleted = cleanup.delete_recordings(timezone.now() + timedelta(hours=1))
    assert deleted == 1
    assert keys(bucket) == [recording.audio.name] != [old]
    with django_capture_on_commit_callbacks(execute=True):
        recording.delete()
    assert keys(bucket) == []
    cleanup.delete_all_of({RECORDING_SID})


def test_missing_object_is_not_found_and_is_fetched_again(bucket, browser, vendors):
    recording = a_recording()
    recording.store_audio([SOUND])
    bucket.objects.all().delete()

    assert browser.get(recording.audio_url).status_code == 404
    answers_well(vendors)
    transcript = start(recording)
    transcript.status = "fetched"
    transcript.save()
    vendors.get(recording_url(), body=SOUND)
    assert advanced(transcript).status == "queued"
    assert len(keys(bucket)) == 1


def recording_url():
    from tests.caller.rows import MEDIA

    return MEDIA


def test_a_store_that_is_away_is_an_error_of_the_storage(
    bucket, settings, vendors, browser
):
    answers_well(vendors)
    recording = a_recording()
    recording.store_audio([SOUND])
    options = {"bucket_name": BUCKET, "endpoint_url": f"http://127.0.0.1:{free_port()}"}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": options},
    }

    transcript = advanced(start(recording))

    assert transcript.status == "fetched"
    assert transcript.error.startswith("The audio could not be stored or read: ")
    assert "does not answer" in transcript.error
    assert transcript.attempts == 1
    assert browser.get(recording.audio_url).status_code == 503


def test_a_bucket_that_does_not_exist_is_refused(bucket, settings):
    options = {**settings.STORAGES["default"]["OPTIONS"], "bucket_name": "nobodys"}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": options},
    }

    with pytest.raises(OSError, match="refuses: NoSuchBucket"):
        a_recording().store_audio([SOUND])


# SQLite cannot copy a database during a transaction, so the test must not be in one.
@pytest.mark.django_db(transaction=True)
def test_a_backup_brings_recordings_from_the_store(bucket, tmp_path):
    recording = a_recording()
    recording.store_audio([SOUND])
    name = tmp_path / "backup.tar"

    call_command("backup", str(name), stdout=StringIO())

    import tarfile

    with tarfile.open(name) as tar:
        stored = tar.extractfile(f"audio/{recording.audio.name}")
        assert stored
        assert stored.read() == SOUND


def test_the_settings_lead_to_the_bucket(server, bucket, tmp_path):
    environ = environment(
        tmp_path,
        S3_BUCKET=BUCKET,
        S3_ENDPOINT_URL=server,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
    )
    save = (
        "from django.core.files.base import ContentFile; "
        "from django.core.files.storage import default_storage; "
        "print(default_storage.save('recordings/a.wav', ContentFile(b'sound')))"
    )

    said = shell(environ, save)

    assert said == "recordings/a.wav\n"
    assert keys(bucket) == ["recordings/a.wav"]
