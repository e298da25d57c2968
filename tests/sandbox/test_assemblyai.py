import io
import wave
from array import array

import jiwer
import pytest
import requests

from sandbox.assemblyai import sound
from sandbox.assemblyai.params import MODELS
from sandbox.twilio import audio
from tests.data.audio import encoded
from tests.sandbox.conftest import KEY, until

HEADERS = {"Authorization": KEY}
BASE = {
    "speech_models": ["assemblyai-stt-3-7", "universal-2"],
    "language_code": "en_us",
}


def call(stand_in, method, path, **options):
    options.setdefault("headers", HEADERS)
    return requests.request(method, f"{stand_in.url}/v2/{path}", timeout=60, **options)


def upload(stand_in, data):
    answer = call(stand_in, "POST", "upload", data=data)
    assert answer.status_code == 200, answer.text
    return answer.json()["upload_url"]


def submit(stand_in, data=None, **options):
    url = options.pop("audio_url", None) or upload(stand_in, data or clip())
    body = BASE | {"audio_url": url} | options
    return call(stand_in, "POST", "transcript", json=body)


def transcribe(stand_in, data=None, **options):
    answer = submit(stand_in, data, **options)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "queued"
    return ended(stand_in, answer.json()["id"])


def ended(stand_in, job_id):
    def fetch():
        found = call(stand_in, "GET", f"transcript/{job_id}").json()
        return found if found["status"] in ("completed", "error") else None

    return until(fetch, "the transcript")


def clip(name=None):
    return (audio.CLIPS / f"{name or audio.clip_names()[0]}.wav").read_bytes()


def wav(samples, rate=8000, width=2, channels=1):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, width, rate, 0, "NONE", ""))
        out.writeframes(samples)
    return file.getvalue()


SILENCE = wav(bytes(2 * 8000 * 3))


def word_error_rate(name, text):
    plain = jiwer.Compose(
        [
            jiwer.ToLowerCase(),
            jiwer.RemovePunctuation(),
            jiwer.ReduceToListOfListOfWords(),
        ]
    )
    return jiwer.wer(audio.said(name), text, plain, plain)


def test_a_clip_is_recognised_with_few_mistakes(assemblyai):
    # One clip is enough here: tests/sandbox/test_recogniser.py tests the others.
    name = audio.clip_names()[0]

    found = transcribe(assemblyai, clip(name))

    assert word_error_rate(name, found["text"]) <= 0.25
    assert " ".join(word["text"] for word in found["words"]) == found["text"]
    ends = [0]
    for word in found["words"]:
        assert ends[-1] <= word["start"] < word["end"]
        assert 0 <= word["confidence"] <= 1
        ends.append(word["end"])
    assert ends[-1] <= audio.speech_seconds(name) * 1000
    mean = sum(word["confidence"] for word in found["words"]) / len(found["words"])
    assert found["confidence"] == pytest.approx(mean, abs=0.001)
    assert found["audio_duration"] == round(audio.speech_seconds(name))


def test_there_are_at_least_ten_clips_of_five_to_ten_seconds_in_little_space():
    names = audio.clip_names()
    size = sum(path.stat().st_size for path in audio.CLIPS.iterdir())

    assert len(names) >= 10
    assert all(5 <= audio.speech_seconds(name) <= 10 for name in names)
    assert size < 1_500_000
    assert len({audio.said(name) for name in names}) == len(names)


def test_transcript_repeats_its_request_and_names_the_stand_in(assemblyai):
    # Send silence: to recognise speech with keyterms takes seconds.
    terms = ["metoprolol", "torque wrench"]

    found = transcribe(assemblyai, SILENCE, keyterms_prompt=terms)

    assert found["keyterms_prompt"] == ["metoprolol", "torque wrench"]
    assert found["speech_models"] == BASE["speech_models"]
    assert found["speech_model_used"] == "assemblyai-stt-3-7"
    assert found["language_code"] == "en_us"
    warnings = [warning["message"] for warning in found["metadata"]["warnings"]]
    assert "stand-in" in warnings[0]
    assert len(warnings) == 1
    assert "webhook_auth_header_value" not in found


@pytest.mark.slow
def test_custom_spelling_rewrites_several_words_to_one(assemblyai):
    name = "02-blood-pressure"
    rules = [
        {"from": ["Blood Pressure"], "to": "BP"},
        {"from": ["morning"], "to": "AM"},
    ]

    found = transcribe(assemblyai, clip(name), custom_spelling=rules)

    assert "BP was normal" in found["text"]
    assert found["text"].endswith("AM.")
    assert "blood" not in found["text"]


@pytest.mark.slow
def test_without_formatting_the_words_stay_as_recognised(assemblyai):
    found = transcribe(assemblyai, punctuate=False, format_text=False)

    assert found["text"] == found["text"].lower()
    assert not found["text"].endswith(".")


def test_silence_in_a_given_language_is_an_empty_transcript(assemblyai):
    found = transcribe(assemblyai, SILENCE)

    assert (found["status"], found["text"], found["words"]) == ("completed", "", [])
    assert found["audio_duration"] == 3


def test_silence_with_language_detection_is_an_error(assemblyai):
    found = transcribe(assemblyai, SILENCE, language_code=None, language_detection=True)

    assert found["status"] == "error"
    assert found["error"].startswith(
        "language_detection cannot be performed on files with no spoken audio"
    )
    assert found["text"] is None


def stereo(left, right):
    return bytes(
        array(
            "h", [v for pair in zip(left, right, strict=True) for v in pair]
        ).tobytes()
    )


def other_wavs():
    """Return the first clip in other kinds of WAV: {name: (channels, file)}."""
    mono = audio.samples(audio.clip_names()[0])
    eight = bytes((value >> 8) + 128 for value in mono)
    thirty_two = b"".join(
        b"\0\0" + value.to_bytes(2, "little", signed=True) for value in mono
    )
    sixteen_khz = array("h", [value for value in mono for _ in range(2)])
    return {
        "8 bit": (1, wav(eight, width=1)),
        "32 bit": (1, wav(thirty_two, width=4)),
        "stereo": (2, wav(stereo(mono, mono), channels=2)),
        "16 kHz": (1, wav(sixteen_khz.tobytes(), rate=16000)),
    }


def in_format(codec, container, rate):
    samples = audio.samples(audio.clip_names()[0])
    return encoded(samples, codec, container, rate, from_rate=8000)


FORMATS = [
    *(
        ("pcm_mulaw", "wav", 8000),
        ("pcm_s24le", "wav", 8000),
        ("libmp3lame", "mp3", 16_000),
    ),
    *(("aac", "ipod", 16_000), ("libopus", "ogg", 16_000), ("flac", "flac", 8000)),
]


def decoded(tmp_path, data):
    file = tmp_path / "audio"
    file.write_bytes(data)
    return sound.read(file)


def difference(samples, clip):
    """Return the energy of the difference, as a share of the energy of the clip."""
    wrong = sum((a - b) ** 2 for a, b in zip(samples, clip, strict=False))
    return wrong / sum(value**2 for value in clip)


def test_sound_of_other_widths_rates_channels_and_formats_is_decoded(tmp_path):
    [expected] = decoded(tmp_path, clip())
    files = other_wavs() | {each[0]: (1, in_format(*each)) for each in FORMATS}

    for name, (count, file) in files.items():
        channels = decoded(tmp_path, file)
        assert len(channels) == count, name
        for samples in [*channels, sound.mixed(channels)]:
            assert len(samples) == pytest.approx(len(expected), rel=0.01), name
            assert difference(samples, expected) < 0.03, name


@pytest.mark.slow
def test_mp3_is_understood(assemblyai):
    found = transcribe(assemblyai, in_format("libmp3lame", "mp3", 16_000))

    assert word_error_rate(audio.clip_names()[0], found["text"]) <= 0.25


@pytest.mark.slow
def test_with_multichannel_each_channel_is_a_speaker(assemblyai):
    left = audio.samples(audio.clip_names()[4])
    right = array("h", bytes(2 * len(left)))

    found = transcribe(
        assemblyai, wav(stereo(left, right), channels=2), multichannel=True
    )

    assert found["audio_channels"] == 2
    assert {word["channel"] for word in found["words"]} == {"1"}
    assert {u["speaker"] for u in found["utterances"]} == {"1"}
    assert word_error_rate(audio.clip_names()[4], found["text"]) <= 0.25


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<!DOCTYPE html><html></html>", "File type is text/html."),
        (b'{"code": 20404}', "File type is application/json."),
        (b"\x00\x01\x02" * 500, "Transcoding failed."),
        (wav(bytes(2 * 800)), "Audio duration is too short."),
    ],
)
def test_invalid_audio_gives_the_error_of_the_real_service(assemblyai, data, error):
    found = transcribe(assemblyai, data)

    assert found["status"] == "error"
    assert error in found["error"]


def test_audio_is_fetched_from_an_address_without_login(assemblyai, product):
    found = transcribe(assemblyai, audio_url=product.url + "/gone.wav")
    product.answers["/gone.wav"] = [404]
    gone = transcribe(assemblyai, audio_url=product.url + "/gone.wav")

    assert (
        found["error"] == "Transcoding failed. File does not appear to contain audio."
    )
    assert gone["error"].startswith(f"Download error, unable to download {product.url}")
    assert "Authorization" not in product.at("/gone.wav")[0].headers


def test_deleted_upload_gives_a_download_error(assemblyai):
    url = upload(assemblyai, clip())
    assemblyai.control("DELETE", "uploads")

    found = transcribe(assemblyai, audio_url=url)

    assert found["error"].startswith(f"Download error, unable to download {url}")


def test_an_upload_address_cannot_be_opened(assemblyai):
    answer = requests.get(upload(assemblyai, clip()), timeout=60)

    assert answer.status_code == 403
    assert "AccessDenied" in answer.text


@pytest.mark.parametrize("chunked", [True, False])
def test_uploads_come_whole_with_a_length_or_in_chunks(assemblyai, chunked):
    data = clip()
    pieces = (data[n : n + 10_000] for n in range(0, len(data), 10_000))

    found = transcribe(
        assemblyai, audio_url=upload(assemblyai, pieces if chunked else data)
    )

    assert found["status"] == "completed"
    [sent] = [
        entry
        for entry in assemblyai.control("GET", "requests")
        if entry["path"] == "/v2/upload"
    ]
    assert sent["body"]["size"] == len(data)
    assert ("Transfer-Encoding" in sent["headers"]) == chunked


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"speech_models": None},
            '"speech_models" must be a non-empty list containing',
        ),
        ({"speech_models": []}, '"speech_models" must be a non-empty list containing'),
        ({"speech_models": ["nano"]}, '"speech_models" must be a non-empty list'),
        ({"speech_model": "best"}, 'speech_model is deprecated. Use "speech_models"'),
        (
            {"word_boost": ["x"]},
            '"word_boost" is not compatible with assemblyai-stt-3-7',
        ),
        ({"audio_url": "/tmp/x.wav"}, "audio_url should start with http"),
        ({"keyterms": ["x"]}, "unknown field keyterms"),
        ({"punctuate": "true"}, "punctuate has the wrong type"),
        ({"audio_start_from": True}, "audio_start_from has the wrong type"),
        ({"keyterms_prompt": ["a b c d e f g"]}, "a phrase has at most 6 words"),
        ({"keyterms_prompt": ["a b c d e"] * 201}, "at most 1000 words"),
        ({"custom_spelling": [{"from": ["a"], "to": "b c"}]}, "one word"),
        ({"custom_spelling": {"a": "b"}}, "custom_spelling has the wrong type"),
        ({"webhook_auth_header_name": "X-Token"}, "go together"),
    ],
)
def test_a_bad_request_is_refused_and_makes_no_job(assemblyai, change, error):
    before = len(assemblyai.control("GET", "jobs"))
    body = BASE | {"audio_url": "http://127.0.0.1:1/a.wav"} | change
    body = {name: value for name, value in body.items() if value is not None}

    answer = call(assemblyai, "POST", "transcript", json=body)

    assert answer.status_code == 400
    assert error in answer.json()["error"]
    assert len(assemblyai.control("GET", "jobs")) == before


@pytest.mark.parametrize("models", [[m] for m in MODELS] + [list(MODELS)])
def test_todays_models_are_accepted(assemblyai, models):
    assert submit(assemblyai, speech_models=models).status_code == 200


@pytest.mark.parametrize(
    ("models", "warned"),
    [
        (["universal-3-5-pro", "universal-2"], True),
        (["universal-2", "universal-3-5-pro"], True),
        (["assemblyai-stt-3-7", "universal-2"], False),
        (["universal-2"], False),
    ],
)
def test_a_deprecated_model_works_and_the_answer_warns(assemblyai, models, warned):
    answer = submit(assemblyai, speech_models=models)
    done = transcribe(assemblyai, speech_models=models)

    for found in (answer.json(), done):
        messages = str(found["metadata"]["warnings"])
        assert ("universal-3-5-pro is deprecated" in messages) == warned
    assert done["text"]


@pytest.mark.parametrize(
    "models", [["universal-3-pro"], ["universal-3-pro", "universal-2"]]
)
def test_a_retired_model_is_refused_by_name_with_a_suggestion(assemblyai, models):
    answer = submit(assemblyai, speech_models=models)

    assert answer.status_code == 400
    assert answer.json()["error"] == (
        'The "universal-3-pro" speech model(s) have been deprecated. '
        'Use speech_models: ["assemblyai-stt-3-7", "universal-2"] instead.'
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_model_can_be_retired_while_the_stand_in_runs(assemblyai, model):
    before = submit(assemblyai, speech_models=[model])
    assemblyai.control("POST", "account", {"retired_models": [model]})
    refused = submit(assemblyai, speech_models=[model])
    assemblyai.control("POST", "account", {"retired_models": None})
    after = submit(assemblyai, speech_models=[model])

    assert [a.status_code for a in (before, refused, after)] == [200, 400, 200]
    assert (
        f'The "{model}" speech model(s) have been deprecated'
        in refused.text.replace("\\", "")
    )


def test_retired_models_that_are_no_list_are_refused(assemblyai):
    url = f"{assemblyai.url}/_sandbox/account"

    answer = requests.post(url, json={"retired_models": "universal-2"}, timeout=60)

    assert answer.status_code == 400


def test_newer_fields_than_the_specs_are_accepted(assemblyai):
    options = {"keyterms_match_strength": "high"}

    answer = submit(assemblyai, domain="medical-v1", keyterms_prompt_options=options)

    assert answer.status_code == 200
    assert "assemblyai-stt-3-7" in MODELS


@pytest.mark.parametrize("key", [None, "", "wrong", f"Bearer {KEY}"])
def test_without_the_raw_key_nothing_is_answered(assemblyai, key):
    headers = {"Authorization": key} if key is not None else {}

    for method, path in (("POST", "upload"), ("GET", "transcript")):
        answer = call(assemblyai, method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"] == (
            "Authentication error, API token missing/invalid"
        )


def test_an_unknown_id_is_a_400(assemblyai):
    answer = call(assemblyai, "GET", "transcript/00000000-0000-4000-8000-000000000001")

    assert answer.status_code == 400
    assert answer.json()["error"] == "Transcript lookup error, transcript id not found"


def test_balance_and_key_errors_can_be_switched_on_and_off(assemblyai):
    assemblyai.control("POST", "account", {"balance_negative": True})
    refused = submit(assemblyai)
    assemblyai.control("POST", "account", {"balance_negative": False, "key": "new"})
    locked_out = call(assemblyai, "GET", "transcript")
    assemblyai.control("POST", "account", {"key": None})

    assert refused.status_code == 400
    assert "balance is negative. Please top up" in refused.json()["error"]
    assert locked_out.status_code == 401
    assert submit(assemblyai).status_code == 200


def unfinished(stand_in):
    return [
        job
        for status in ("queued", "processing")
        for job in call(stand_in, "GET", f"transcript?status={status}").json()[
            "transcripts"
        ]
    ]


def test_the_next_jobs_can_be_told_to_fail(assemblyai):
    # Wait, because an unfinished job of another test could get the error.
    until(lambda: not unfinished(assemblyai), "the end of earlier jobs")
    text = "Server error, developers have been alerted"
    assemblyai.control("POST", "next-error", {"error": text, "times": 1})

    failed, healed = transcribe(assemblyai), transcribe(assemblyai)

    assert (failed["status"], failed["error"]) == ("error", text)
    assert healed["status"] == "completed"


def test_list_is_newest_first_and_paginated(assemblyai):
    ids = [transcribe(assemblyai)["id"] for _ in range(3)]

    page = call(assemblyai, "GET", "transcript?limit=2").json()
    older = requests.get(page["page_details"]["prev_url"], headers=HEADERS, timeout=60)
    newer = call(assemblyai, "GET", f"transcript?after_id={ids[0]}").json()
    queued = call(assemblyai, "GET", "transcript?status=queued").json()
    wrong = call(
        assemblyai, "GET", f"transcript?before_id={ids[2]}&after_id={ids[0]}"
    ).status_code
    crossed = call(
        assemblyai, "GET", f"transcript?before_id={ids[0]}&after_id={ids[2]}"
    )

    assert [item["id"] for item in page["transcripts"]] == [ids[2], ids[1]]
    assert page["page_details"]["next_url"] is None
    assert older.json()["transcripts"][0]["id"] == ids[0]
    assert [item["id"] for item in newer["transcripts"]] == [ids[2], ids[1]]
    assert queued["transcripts"] == []
    assert wrong == 200
    assert "'after_id' must be a newer transcript" in crossed.json()["error"]
    assert page["transcripts"][0]["created"].count("+") == 0


def test_a_deleted_transcript_is_a_tombstone(assemblyai):
    job_id = transcribe(assemblyai)["id"]

    deleted = call(assemblyai, "DELETE", f"transcript/{job_id}").json()
    again = call(assemblyai, "GET", f"transcript/{job_id}").json()

    for found in (deleted, again):
        assert found["status"] == "completed"
        assert found["text"] == "Deleted by user."
        assert found["audio_url"] == found["webhook_url"] == "http://deleted_by_user"
        assert found["words"] is None
        assert found["confidence"] is None
        assert found["audio_duration"] > 5


def test_the_page_says_that_this_is_a_stand_in_and_shows_times_in_utc(assemblyai):
    found = transcribe(assemblyai)
    created = assemblyai.control("GET", "jobs")[-1]["created"]

    page = requests.get(assemblyai.url, timeout=60).text

    assert "not AssemblyAI" in page
    assert "less accurate than AssemblyAI" in page
    assert "POST /v2/transcript 200" in page
    assert found["text"] in page.replace("&#x27;", "'")
    assert f"{created[11:19]} UTC" in page
