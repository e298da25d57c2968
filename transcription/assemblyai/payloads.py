"""Make bodies of requests to AssemblyAI. Turn its responses into our columns.

A field of a response may be missing or null. This must not cause an error: a finished
job is paid for, so we store what we get.
assemblyai.com/docs/api-reference/transcripts
"""

from collections import Counter
from typing import Any

from django.conf import settings
from django.urls import reverse

from djtranscribe.public_urls import public_url
from transcription.assemblyai import keyterms
from transcription.models import Transcript
from transcription.words import number_up_to

WEBHOOK_HEADER = "X-Djtranscribe-Token"
DETECT = "detect"
# Twilio's `source` of recordings with several people. If these people share a channel,
# we ask AssemblyAI to distinguish their voices. twilio.com/docs/voice/api/recording
MIXED_SOURCES = ("DialVerb", "Conference", "StartConferenceRecordingAPI")

# A job's error contains this if nobody spoke.
NO_SPEECH = "no spoken audio"
# A job's error begins with one of these if AssemblyAI could not open the audio's URL.
UNREACHABLE_AUDIO = ("Download error", "Cannot access uploaded file")
# A job's error begins with this if AssemblyAI's own server failed.
SERVER_ERROR = ("Server error",)
# We replace a private word with this text, as AssemblyAI does.
REDACTED = "####"
# A job that was deleted has this `audio_url`.
DELETED = "http://deleted_by_user"
# Ignore a larger `audio_duration`, in seconds: 115 days cannot be right, and the cost
# could be too large for Recording.transcription_cost.
MAX_SECONDS = 10_000_000


def request_body(transcript: Transcript) -> dict[str, Any]:
    """Return the body of POST /v2/transcript."""
    body: dict[str, Any] = {
        "audio_url": transcript.audio_url,
        "speech_models": transcript.speech_models or settings.SPEECH_MODELS,
    }
    if settings.SPEECH_LANGUAGE_CODE == DETECT:
        body["language_detection"] = True
    else:
        # By default, we send the language: with language detection, AssemblyAI reports
        # a silent call as an error.
        body["language_code"] = settings.SPEECH_LANGUAGE_CODE
    if (transcript.recording.channels or 1) > 1:
        body["multichannel"] = True
    elif transcript.recording.source in MIXED_SOURCES:
        body["speaker_labels"] = True
    if settings.REDACT_PII:
        body["redact_pii"] = True
        body["redact_pii_policies"] = settings.REDACT_PII
        body["redact_pii_sub"] = "hash"
    if transcript.vocabulary:
        terms = keyterms.terms_of(transcript.vocabulary.terms)
        spellings = keyterms.spellings_of(transcript.vocabulary.custom_spellings)
        if terms:
            body["keyterms_prompt"] = terms
        if spellings:
            body["custom_spelling"] = spellings
        if transcript.vocabulary.prompt:
            body["prompt"] = transcript.vocabulary.prompt
        if transcript.vocabulary.domain:
            body["domain"] = transcript.vocabulary.domain
    if settings.BASE_URL:
        path = reverse("transcription:assemblyai-webhook", args=[transcript.uuid])
        body["webhook_url"] = public_url(path)
        body["webhook_auth_header_name"] = WEBHOOK_HEADER
        body["webhook_auth_header_value"] = transcript.webhook_token()
    return body


def without_secret(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body to store: without the secret token of the webhook."""
    return {key: body[key] for key in body if key != "webhook_auth_header_value"}


def result_columns(
    job: dict[str, Any], request: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the columns of Transcript for a completed job. request: what we sent."""
    if (request or {}).get("redact_pii"):
        job = redact(job)
    words = job.get("words")
    rest = {key: job[key] for key in job if key not in ("text", "words")}
    return {
        "status": Transcript.Status.COMPLETED,
        "text": str(job.get("text") or ""),
        "words": words if isinstance(words, list) else [],
        "confidence": number_up_to(job.get("confidence"), 1),
        "language": str(job.get("language_code") or "")[:20],
        "model_used": str(job.get("speech_model_used") or "")[:40],
        "audio_seconds": number_up_to(job.get("audio_duration"), MAX_SECONDS),
        "response": rest,
    }


def redact(job: dict[str, Any]) -> dict[str, Any]:
    """Return the job without private words. AssemblyAI removes them from `text`.

    AssemblyAI does not promise to remove private words from other fields:
    - `words`: for example, `words` has `Smith` twice, but `text` has `Smith` once. So
      one `Smith` is private. We do not know which one, so both become REDACTED.
    - Other lists, objects and `unredacted…` fields are left out.
    assemblyai.com/docs/audio-intelligence/pii-redaction
    """
    listed = job.get("words")
    listed = listed if isinstance(listed, list) else []
    words = [word for word in listed if isinstance(word, dict)]
    said = Counter(str(job.get("text") or "").split())
    private = Counter(str(word.get("text")) for word in words) - said
    words = [
        {**word, "text": REDACTED} if str(word.get("text")) in private else word
        for word in words
    ]
    rest = {
        key: value
        for key, value in job.items()
        if not isinstance(value, (dict, list)) and not key.startswith("unredacted")
    }
    return {**rest, "words": words}


def no_speech_columns(job: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of Transcript for a job that failed because nobody spoke."""
    return {
        **result_columns(job, None),
        "text": "",
        "error_class": Transcript.ErrorClass.NO_SPEECH,
    }
