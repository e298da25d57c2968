"""Fetching audio from Twilio: which files are stored, and which are refused."""

import gzip
import hashlib
import re
from io import BytesIO

import pytest
import requests
from django.core.files.storage import FileSystemStorage

from caller.models import Recording
from caller.recordings import audio
from caller.twilio.client import media_url
from caller.twilio.errors import TwilioError
from tests.caller.rows import MEDIA, RECORDING_SID, a_recording
from tests.data import load, wav

pytestmark = pytest.mark.django_db


def fetched(recording):
    recording.fetch_audio(lambda: None)
    recording.refresh_from_db()
    return recording


def test_audio_is_fetched_with_credentials_from_the_built_url(vendors):
    asked = vendors.get(MEDIA, body=wav())

    recording = fetched(a_recording())

    request = asked.calls[0].request
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.req_kwargs["timeout"] == (3.05, 15)
    assert request.req_kwargs["stream"] is True
    assert recording.audio.read() == wav()
    recording.audio.close()
    assert recording.sha256 == hashlib.sha256(wav()).hexdigest()
    assert recording.fetched_at is not None


@pytest.mark.parametrize(
    "sid", ["", "RE", "CA" + "0" * 32, "RE" + "g" * 32, "../x", RECORDING_SID + "\n"]
)
def test_media_url_rejects_an_invalid_sid(sid):
    with pytest.raises(ValueError, match="Not the SID"):
        media_url(sid)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>Login</body></html>", "not an audio file"),
        (b"<?xml version='1.0'?><TwilioResponse><RestException/>", "not an audio file"),
        (b'{"code": 20404, "status": 404}', "not an audio file"),
        ("\ufeff<html>Ł</html>".encode(), "not an audio file"),
        ("<html>Ł</html>".encode("utf-16"), "not an audio file"),
        (("Zażółć " * 200).encode()[:511], "not an audio file"),
        (b"#EXTM3U\nhttp://127.0.0.1/private\n", "not an audio file"),
        (b"R", "not an audio file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "not an audio file"),
        (b"%PDF-1.7\n\xe2\xe3", "not an audio file"),
        (b"PK\x03\x04\x14\0", "not an audio file"),
    ],
)
def test_content_that_is_not_audio_is_not_stored(vendors, media, body, reason):
    recording = a_recording()
    vendors.get(MEDIA, body=body, content_type="audio/x-wav")

    with pytest.raises(TwilioError, match=reason) as error:
        fetched(recording)

    recording.refresh_from_db()
    assert not recording.audio
    assert not error.value.permanent
    assert not list(media.rglob("*"))


@pytest.mark.parametrize("announced", [len(wav()) - 1, len(wav()) + 1])
def test_another_number_of_bytes_than_announced_is_not_stored(media, announced):
    recording = a_recording()

    with pytest.raises(audio.NotAudio, match=f"of {announced} bytes arrived"):
        recording.store_audio([wav()], expected_bytes=announced)

    assert not recording.audio
    assert not list(media.rglob("*"))


def test_a_download_that_ends_early_is_not_stored(vendors, media):
    recording = a_recording()
    longer = {"Content-Length": str(len(wav()) + 1)}
    vendors.get(MEDIA, body=wav(), headers=longer, auto_calculate_content_length=False)

    with pytest.raises(TwilioError):
        fetched(recording)

    assert not Recording.objects.get().audio
    assert not list(media.rglob("*"))


def test_the_audio_is_asked_for_unpacked(vendors):
    asked = vendors.get(MEDIA, body=wav())

    fetched(a_recording())

    assert asked.calls[0].request.headers["Accept-Encoding"] == "identity"


def test_compressed_audio_is_stored_despite_its_content_length(vendors):
    packed = gzip.compress(wav())
    headers = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    vendors.get(
        MEDIA, body=packed, headers=headers, auto_calculate_content_length=False
    )

    recording = fetched(a_recording())

    assert recording.sha256 == hashlib.sha256(wav()).hexdigest()


def test_packed_audio_that_ends_early_is_not_stored(vendors, media):
    recording = a_recording()
    packed = gzip.compress(wav())[:-100]
    vendors.get(MEDIA, body=packed, headers={"Content-Encoding": "gzip"})

    with pytest.raises(TwilioError):
        fetched(recording)

    assert not Recording.objects.get().audio
    assert not list(media.rglob("*"))


WHOLE = len(wav()) - 8
SIZES = [0, 2_000_000_000, 0x7FFF_FFFF, 0xFFFF_FFFF, 2 * WHOLE]


@pytest.mark.parametrize("riff", [*SIZES, WHOLE + 8, WHOLE + 44, WHOLE - 2])
@pytest.mark.parametrize("data", [*SIZES, WHOLE - 36, WHOLE + 8])
def test_a_wav_whose_header_names_another_size_is_taken_and_measured(
    vendors, riff, data
):
    lying = bytearray(wav())
    lying[4:8], lying[40:44] = riff.to_bytes(4, "little"), data.to_bytes(4, "little")
    vendors.get(MEDIA, body=bytes(lying))

    recording = fetched(a_recording())

    assert recording.audio
    if data:
        assert recording.peaks["seconds"] == 1


@pytest.mark.parametrize(
    ("beginning", "suffix"),
    [
        (b"ID3\x04", ".mp3"),
        (b"\xff\xfb\x90\x00", ".mp3"),
        (b"OggS\x00\x02", ".ogg"),
        (b"fLaC\x00", ".flac"),
        (b"\x00\x00\x00\x20ftypM4A ", ".m4a"),
        (b"#!AMR\n", ".amr"),
        (b"\x1a\x45\xdf\xa3", ".webm"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", ".wav"),
        (b"\xff\xe3\x10\x00", ".mp3"),
        (b"\xff\xfa\x90\x00", ".mp3"),
        (b"\xff\xfd\x90\x00", ".mp2"),
        (b"\xff\xf1\x50\x80", ".aac"),
        (b"FORM\x00\x00\x00\x00AIFF", ".aiff"),
        (b".snd\x00\x00\x00\x18", ".au"),
        (b"0&\xb2\x75\x8e\x66\xcf\x11", ".wma"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", ".audio"),
        (b"\x0b\x77\xc0\x00", ".audio"),
        (bytes(20), ".audio"),
    ],
)
def test_audio_is_stored_with_the_suffix_of_its_format(vendors, beginning, suffix):
    vendors.get(MEDIA, body=beginning + bytes(100))

    recording = fetched(a_recording())

    name = rf"recordings/{RECORDING_SID}-[0-9a-f]{{8}}\{suffix}"
    assert re.fullmatch(name, recording.audio.name)


class Full(FileSystemStorage):
    """Write a file, call `before_failing`, then fail as if the disk were full.

    If `before_failing` is None, save the file as usual.
    """

    before_failing = None

    def _save(self, name, content):
        half = super()._save(name, content)
        if not self.before_failing:
            return half
        self.before_failing()
        raise OSError(28, "No space left on device")


def test_full_disk_keeps_the_file_stored_by_another_worker(media, monkeypatch):
    storage = Full()
    monkeypatch.setattr(Recording.audio.field, "storage", storage)
    recording = a_recording()

    def other_worker():
        storage.before_failing = None
        Recording.objects.get().store_audio([wav()])

    storage.before_failing = other_worker
    with pytest.raises(OSError, match="No space"):
        recording.store_audio([wav()])

    (stored,) = media.rglob("*.wav")
    assert Recording.objects.get().audio.path == str(stored)


def test_audio_that_is_not_ready_can_be_fetched_later(vendors):
    recording = a_recording()
    vendors.get(MEDIA, json=load("twilio/error", code=20404, status=404), status=404)
    vendors.get(MEDIA, body=wav())

    with pytest.raises(TwilioError, match="ready yet") as error:
        fetched(recording)

    assert not error.value.permanent
    assert fetched(recording).audio


@pytest.mark.parametrize(
    ("answer", "permanent", "account"),
    [
        ({"status": 401}, True, True),
        ({"status": 403}, True, False),
        ({"status": 429}, False, False),
        ({"status": 500}, False, False),
        ({"body": requests.ReadTimeout("slow")}, False, False),
        ({"body": requests.ConnectTimeout("slow")}, False, False),
        ({"body": requests.ConnectionError("reset")}, False, False),
    ],
)
def test_each_failure_says_whether_to_try_again(vendors, answer, permanent, account):
    recording = a_recording()
    vendors.get(MEDIA, **answer)

    with pytest.raises(TwilioError) as error:
        fetched(recording)

    assert (error.value.permanent, error.value.account) == (permanent, account)


def test_download_reports_progress_every_megabyte():
    signs = []
    chunks = [bytes(400_000)] * 8

    came = list(audio.with_heartbeat(chunks, lambda: signs.append(1)))

    assert came == chunks
    assert len(signs) == 2


def test_slow_download_reports_progress_every_second(monkeypatch):
    now = iter(range(0, 100, 20))
    monkeypatch.setattr(audio.time, "monotonic", lambda: next(now))
    signs = []

    list(audio.with_heartbeat([bytes(10)] * 4, lambda: signs.append(1)))

    assert len(signs) == 4


def test_upload_reports_progress_every_megabyte(tmp_path):
    path = tmp_path / "big.wav"
    path.write_bytes(wav(200))
    signs = []

    with path.open("rb") as file:
        file_like = type("File", (), {"read": file.read, "size": len(wav(200))})
        sent = audio.UploadStream(file_like, lambda: signs.append(1))
        whole = b"".join(sent)

    assert whole == wav(200)
    assert len(sent) == len(whole)
    assert len(signs) == len(whole) // (1024 * 1024)


def test_file_without_a_name_is_uploaded_with_its_length(vendors):
    asked = vendors.post("https://vendor.example/upload")
    sent = audio.UploadStream(BytesIO(wav()), lambda: None)

    requests.post("https://vendor.example/upload", data=sent, timeout=1)

    request = asked.calls[0].request
    assert request.body == wav()
    assert request.headers["Content-Length"] == str(len(wav()))
