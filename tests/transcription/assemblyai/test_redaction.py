"""REDACT_PII: words that AssemblyAI removed from the text are stored nowhere."""

import json

import pytest

from tests.data import load
from tests.transcription.rows import JOB, TRANSCRIPT, UPLOAD, a_transcript, advanced
from transcription.models import Transcript
from transcription.words import original_words

pytestmark = pytest.mark.django_db

SAID = ["I", "am", "Grace", "Hopper,", "call", "me."]
TEXT = "I am #### ####, call me."


def listed(said):
    return [
        {"text": text, "start": 400 * at, "end": 400 * at + 300, "confidence": 0.9}
        for at, text in enumerate(said.split())
    ]


def answer(**more):
    words = listed(" ".join(SAID))
    utterance = {"text": " ".join(SAID), "words": words, "speaker": "A"}
    return load("assemblyai/completed") | {
        "text": TEXT,
        "words": words,
        "utterances": [utterance],
        "entities": [{"entity_type": "person_name", "text": "Grace Hopper"}],
        "unredacted_text": " ".join(SAID),
        **more,
    }


@pytest.fixture
def transcribed(settings, vendors):
    def transcribed(job) -> Transcript:
        vendors.post(UPLOAD, json=load("assemblyai/upload"))
        vendors.get(TRANSCRIPT, json=load("assemblyai/list"))
        vendors.post(TRANSCRIPT, json=load("assemblyai/queued"))
        vendors.get(JOB, json=job)
        transcript = advanced(a_transcript("fetched"))
        Transcript.objects.update(next_attempt_at=transcript.created_at)
        return advanced(transcript)

    return transcribed


def test_redaction_policies_are_sent_and_unredacted_words_are_not_stored(
    settings, vendors, transcribed
):
    settings.REDACT_PII = ["person_name", "phone_number"]

    transcript = transcribed(answer())

    (sent,) = [
        json.loads(call.request.body)
        for call in vendors.calls
        if call.request.method == "POST" and call.request.url == TRANSCRIPT
    ]
    assert sent["redact_pii"] is True
    assert sent["redact_pii_policies"] == ["person_name", "phone_number"]
    assert transcript.text == TEXT
    row = json.dumps(
        [transcript.words, transcript.response, transcript.search_text], default=str
    )
    assert "Grace" not in row
    assert "Hopper" not in row
    words = original_words(transcript)
    assert " ".join(word.text for word in words) == TEXT
    assert (words[4].text, words[4].start) == ("call", 1600)


def test_a_private_word_that_is_also_said_openly_is_not_kept(settings, transcribed):
    settings.REDACT_PII = ["person_name", "phone_number"]
    said = "Will you call Will at 5 5 1 and bring 5 pens?"
    text = "Will you call #### at # # # and bring 5 pens?"

    transcript = transcribed(answer(text=text, words=listed(said)))

    stored = " ".join(word["text"] for word in transcript.words)
    assert stored == "#### you call #### at #### #### #### and bring #### pens?"
    words = original_words(transcript)
    assert " ".join(word.text for word in words) == text
    assert (words[8].text, words[8].start) == ("and", 3200)


def test_without_the_setting_everything_is_kept(vendors, transcribed):
    transcript = transcribed(answer(text=" ".join(SAID)))

    assert transcript.words[2]["text"] == "Grace"
    assert transcript.response["utterances"]


def test_redaction_follows_the_request_even_if_the_answer_lacks_it(
    settings, transcribed
):
    settings.REDACT_PII = ["person_name"]

    transcript = transcribed(answer(redact_pii=None))

    assert "Grace" not in json.dumps(transcript.words)


def test_unknown_redaction_policy_names_the_setting_to_change(settings, vendors):
    settings.REDACT_PII = ["person_names"]
    said = "redact_pii_policies: 'person_names' is not a valid policy"
    vendors.post(UPLOAD, json=load("assemblyai/upload"))
    vendors.post(TRANSCRIPT, json={"error": said}, status=400)

    transcript = advanced(a_transcript("fetched"))

    assert transcript.error_class == "account"
    assert "Change REDACT_PII (now person_names)." in transcript.error
