import pytest

from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.transcription.exports.readers import TEXT, WORDS
from tests.transcription.rows import a_transcript
from transcription.exports import fonts


@pytest.fixture
def transcript(db):
    recording = a_recording(call=a_call(sid=CALL_SID, status="completed"))
    return a_transcript(
        "completed",
        recording=recording,
        text=TEXT,
        words=WORDS,
        confidence=0.9,
        language="en_us",
        audio_seconds=5,
    )


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(fonts, "SYSTEM", ())
    fonts._installed.cache_clear()
    yield
    fonts._installed.cache_clear()
