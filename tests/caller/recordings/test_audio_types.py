"""The media type of a recording does not depend on the MIME tables of the machine."""

import mimetypes

import pytest

from caller.recordings import waveform
from caller.recordings.audio import NotAudio
from tests.caller.rows import a_recording
from tests.data.audio import SILENCES
from tests.djtranscribe.api.programs import program_of

pytestmark = pytest.mark.django_db

ENDINGS = "wav mp3 ogg oga opus flac m4a mp4 amr awb webm aiff aif aac 3gp 3g2 wma"


@pytest.fixture(params=["no table", "a table that is wrong"])
def machine(request, tmp_path, monkeypatch):
    """Simulate a machine with an empty /etc/mime.types, or with a wrong one."""
    table = tmp_path / "mime.types"
    endings = ENDINGS if request.param == "a table that is wrong" else ""
    table.write_text(f"text/html {endings}\n")
    monkeypatch.setattr(mimetypes, "knownfiles", [str(table)])
    # Replace the tables that Python has already read.
    mimetypes.init()
    yield
    monkeypatch.undo()
    mimetypes.init()


@pytest.fixture(autouse=True)
def no_waveform(monkeypatch):
    """Store audio without its waveform, which takes time and is not needed here."""
    monkeypatch.setattr(waveform, "measure", lambda file, keep_alive: {})


def finish(answer):
    content = b"".join(answer)
    answer.close()
    return content


@pytest.mark.parametrize(
    ("content", "expected"),
    [pytest.param(content, kind, id=name) for name, content, kind in SILENCES],
)
def test_audio_page_sends_the_content_type_of_the_audio(
    browser, machine, content, expected
):
    recording = a_recording()
    recording.store_audio([content])

    whole = browser.get(recording.audio_url)
    part = browser.get(recording.audio_url, headers={"Range": "bytes=0-9"})

    for answer, expected_content in ((whole, content), (part, content[:10])):
        assert answer["Content-Type"] == expected
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert finish(answer) == expected_content


@pytest.mark.parametrize(
    ("content", "expected"),
    [pytest.param(content, kind, id=name) for name, content, kind in SILENCES[-8:]],
)
def test_the_api_sends_the_same_type(machine, content, expected):
    recording = a_recording()
    recording.store_audio([content])
    program = program_of("reader", ["view_recording"])

    answer = program.get(f"/api/recordings/{recording.pk}/audio")

    assert answer["Content-Type"] == expected
    assert finish(answer) == content


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("old.wav", "audio/wav"),
        ("old.MP3", "audio/mpeg"),
        ("old.ogg", "audio/ogg"),
        ("old.oga", "audio/ogg"),
        ("old.opus", "audio/ogg"),
        ("old.aif", "audio/aiff"),
        ("old.mp4", "audio/mp4"),
        ("old.tar.flac", "audio/flac"),
        ("old", "application/octet-stream"),
        ("old.html", "application/octet-stream"),
        ("old.svg", "application/octet-stream"),
    ],
)
def test_a_file_that_was_stored_before_is_sent_by_its_name(
    browser, machine, media, name, expected
):
    (media / "recordings").mkdir(parents=True)
    (media / "recordings" / name).write_bytes(b"audio")
    recording = a_recording(audio=f"recordings/{name}")

    answer = browser.get(recording.audio_url)

    assert answer["Content-Type"] == expected
    finish(answer)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe<\0h\0t\0m\0l\0",
        b"\xff\xd8\xff\xe0JFIF" + bytes(20),
        b"#!/bin/sh\n",
    ],
)
def test_content_that_resembles_audio_is_not_stored(content):
    recording = a_recording()

    with pytest.raises(NotAudio):
        recording.store_audio([content])
