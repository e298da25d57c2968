"""The waveform of a recording, measured when the audio is stored."""

import io
import math
import os
import struct
import wave
from array import array

import pytest

from caller.models import Recording
from caller.recordings import waveform
from tests.caller.rows import a_recording
from tests.data.audio import encoded

SILENCE = {1: 128, 2: 0}


def wav(samples, width=2, channels=1, rate=8000):
    """Return a WAV with these samples. Samples of several channels are interleaved."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        form = {1: "B", 2: "h"}[width]
        writer.writeframes(struct.pack(f"<{len(samples)}{form}", *samples))
    return file.getvalue()


def measured(data):
    return waveform.measure(io.BytesIO(data))


@pytest.mark.parametrize(
    ("width", "loud", "level"),
    [(1, 255, 99), (1, 0, 100), (1, 192, 50), (2, 32767, 100), (2, -16384, 50)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_loud_sample_appears_at_its_position(width, loud, level, channels):
    silent, frames = SILENCE[width], 6000
    samples = [silent] * frames * channels
    # Make one sample loud: in the middle, and on the last channel only.
    samples[frames // 2 * channels + channels - 1] = loud

    found = measured(wav(samples, width, channels))

    assert found["seconds"] == 0.75
    assert len(found["levels"]) == waveform.LEVELS
    assert {i: n for i, n in enumerate(found["levels"]) if n} == {300: level}


@pytest.mark.parametrize("channels", [1, 2])
def test_every_channel_of_long_audio_is_sampled(monkeypatch, channels):
    monkeypatch.setattr(waveform, "SAMPLES", 3)
    quiet_then_loud = [0] * (channels - 1) + [16384]

    found = measured(wav(quiet_then_loud * 60_000, channels=channels))

    assert set(found["levels"]) == {50}


def test_short_recording_has_one_level_per_frame():
    assert measured(wav([0, 32767, 0]))["levels"] == [0, 100, 0]


@pytest.mark.parametrize("declared", [0, 0xFFFF_FFFF])
def test_a_wav_that_was_written_as_a_stream_is_measured_to_its_end(declared):
    data = bytearray(wav([16384] * 8000))
    data[40:44] = struct.pack("<I", declared)

    found = measured(bytes(data))

    assert found["seconds"] == 1
    assert set(found["levels"]) == {50}


def test_chunk_after_the_audio_data_is_not_measured():
    found = measured(
        wav([0] * 8000) + b"LIST\x08\x00\x00\x00\xff\x7f\xff\x7f\xff\x7f\xff\x7f"
    )

    assert set(found["levels"]) == {0}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3" + bytes(500),
        b"RIFF\x04\x00\x00\x00WAVE",
        wav([]),
        wav([1] * 100)[:30],
        # A playlist with a URL, which ffmpeg must not open.
        b"#EXTM3U\nhttp://127.0.0.1:9/private.ts\n",
        # A WAV with a header that says 0 bits per sample.
        wav([1] * 100).replace(b"\x10\x00data", b"\x00\x00data"),
        wav([1] * 100, rate=1).replace(b"\x01\x00\x00\x00\x02\x00", bytes(6), 1),
    ],
)
def test_other_audio_has_no_picture_and_breaks_nothing(data):
    assert measured(data) == {}


def in_format(codec, container, channels=1, seconds=2.0):
    """Return audio with a tone on the last channel and silence on the others."""
    rate = 8000 if codec.startswith("pcm") else 48_000
    samples = array("h")
    for n in range(int(rate * seconds)):
        tone = int(16384 * math.sin(n * 2 * math.pi * 400 / rate))
        samples.extend([0] * (channels - 1) + [tone])
    return encoded(samples, codec, container, rate, rate, channels)


FORMATS = [
    *(("pcm_s24le", "wav"), ("pcm_s32le", "wav"), ("pcm_f32le", "wav")),
    *(("pcm_mulaw", "wav"), ("pcm_alaw", "wav"), ("pcm_s16be", "aiff")),
    *(("pcm_mulaw", "au"), ("mp2", "mp2"), ("aac", "adts"), ("aac", "ipod")),
    *(("flac", "flac"), ("libopus", "ogg"), ("wmav2", "asf"), ("libopus", "webm")),
    ("libmp3lame", "mp3"),
]


@pytest.mark.parametrize(
    ("codec", "container", "channels"),
    [*((*each, 2) for each in FORMATS), ("pcm_s24le", "wav", 1), ("aac", "adts", 1)],
)
def test_every_format_has_a_picture_a_length_and_channels(codec, container, channels):
    found = measured(in_format(codec, container, channels))

    assert found["seconds"] == pytest.approx(2, abs=0.15)
    assert found["channels"] == channels
    # The level of the tone is 50. Lossy codecs change it a little.
    assert 35 <= sorted(found["levels"])[300] <= 55


def test_a_file_that_crashes_the_decoder_crashes_nothing_else(caplog):
    # The header says 0 bits per sample, and ffmpeg divides by this number.
    crashing = wav([1] * 100).replace(b"\x10\x00data", b"\x00\x00data")

    assert measured(crashing) == {}


class LeaseLost(Exception):
    pass


def test_a_slow_decoder_keeps_the_lease_and_ends_with_it(monkeypatch, tmp_path):
    slow = tmp_path / "python"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(slow))
    kept = []

    def keep_alive():
        kept.append(1)
        if len(kept) == 2:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        waveform.measure(io.BytesIO(b"OggS" + bytes(500)), keep_alive)

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.django_db
def test_a_file_that_cannot_be_decoded_is_stored():
    recording = a_recording(duration_seconds=None)

    recording.store_audio([b"OggS" + bytes(500)])

    assert recording.audio
    assert (recording.peaks, recording.duration_seconds) == ({}, None)


@pytest.mark.django_db
def test_unknown_length_and_channels_are_measured():
    recording = a_recording(duration_seconds=None, channels=None)
    told = a_recording(sid="RE" + "1" * 32, duration_seconds=99, channels=1)
    content = in_format("flac", "flac", channels=2)

    recording.store_audio([content])
    told.store_audio([content])

    assert (recording.duration_seconds, recording.channels) == (2, 2)
    assert (told.duration_seconds, told.channels) == (99, 1)


def test_the_outline_fills_the_height_however_quiet_the_recording():
    [path] = waveform.outlines({"levels": [0, 2, 4]})

    assert path == "M0 50L0 49L200 26L400 2L600 50L400 98L200 74L0 51Z"
    assert waveform.outlines({}) == [""]
    assert waveform.outlines({"levels": [0]}) == ["M0 50L0 49L600 50L0 51Z"]


def test_two_channels_have_an_outline_each_one_above_the_other():
    loudness = waveform.measure(io.BytesIO(wav([16384, 0] * 400, channels=2)))

    left, right = waveform.outlines(loudness)

    assert loudness["each"] == [[50] * 400, [0] * 400]
    assert left.startswith("M0 25L0 1L")
    assert right.startswith("M0 75L0 74L")


@pytest.mark.django_db
def test_it_is_measured_when_the_audio_is_stored():
    recording = a_recording()

    recording.store_audio([wav([16384] * 800)])

    assert recording.peaks == {"seconds": 0.1, "levels": [50] * 600, "channels": 1}
    assert recording.audio.read() == wav([16384] * 800)
    recording.audio.close()


@pytest.mark.django_db
def test_a_row_stored_before_is_measured_once_when_it_is_asked_for(
    django_assert_num_queries,
):
    recording = a_recording()
    recording.store_audio([wav([16384] * 800)])
    Recording.objects.update(peaks=None)

    first = Recording.objects.get().loudness()
    with django_assert_num_queries(1):
        second = Recording.objects.get().loudness()

    assert first == second == {"seconds": 0.1, "levels": [50] * 600, "channels": 1}


@pytest.mark.django_db
def test_the_waveform_of_audio_that_is_deleted_meanwhile_is_not_stored(monkeypatch):
    recording = a_recording(sid=None)
    recording.store_audio([wav([16384] * 800)])
    Recording.objects.update(peaks=None)
    measure = waveform.measure

    def measure_late(file):
        found = measure(file)
        Recording.objects.get().delete_audio()
        return found

    monkeypatch.setattr(waveform, "measure", measure_late)

    Recording.objects.get().loudness()

    assert Recording.objects.get().peaks is None


@pytest.mark.django_db
def test_audio_that_the_storage_lost_is_asked_for_again_next_time():
    recording = a_recording(audio="recordings/gone.wav")

    assert recording.loudness() == {}
    assert Recording.objects.get().peaks is None
    assert a_recording(sid="RE" + "9" * 32).loudness() == {}
