"""Decide whether AssemblyAI refuses our settings or only one recording.

AssemblyAI's errors are sentences without a code, so we search them for known words.
- If our settings seem to be the cause, we pause: transcripts wait instead of failing,
  and we submit one of them from time to time as a test.
- If AssemblyAI refuses a request with an unknown sentence, we also pause. But if
  the HTTP status is 403 or 413, we do not pause, because the upload may be the cause.
- If AssemblyAI later accepts another transcript with the same settings, the refused
  transcript fails after a few more attempts.

Sources of the sentences: assemblyai.com/docs, "common errors and solutions"; GitHub
issues of supoclip (11, 43), typewhisper-mac (1042) and ThinLineRadio (118).
"""

import re
from datetime import datetime
from typing import Any

import requests
from django.conf import settings
from django.utils import timezone

from transcription.assemblyai import speech_models
from transcription.assemblyai.client import AssemblyAIError
from transcription.models import Transcript

# If AssemblyAI refuses a transcript but accepts others with the same settings, we retry
# the refused transcript at most this many times: after about 5, 10, 20 and 40 s.
MAX_REFUSED_ATTEMPTS = 4
# How many of the newest transcripts `_others_are_accepted` searches.
NEWEST_COMPARED = 500

# Fields of a request that depend on the transcript: on its audio, keyword list or
# webhook. All other fields are our settings.
ROW_FIELDS = {
    "audio_url",
    "custom_spelling",
    "domain",
    "keyterms_prompt",
    "multichannel",
    "prompt",
    "speaker_labels",
    "webhook_auth_header_value",
    "webhook_url",
}
# Errors about the recording itself.
RECORDING = re.compile(
    r"audio_url|uploaded file|no spoken audio|detected language|speech threshold"
    r"|\b(this|the|your) (audio|file|recording|media)\b"
    r"|\baudio (is|was|has|duration|length|format|codec|stream|file)\b"
    r"|\bfile (type|size|format|does|is|was|could|cannot|can't)\b"
    r"|\btoo (short|large|small|big)\b|\bcontain(s|ing)? (no )?(audio|speech)\b"
    r"|transcod|codec|corrupt|unreadable|download|\bmono\b|single.channel",
    re.IGNORECASE,
)
# Errors about the content of a keyword list.
CONTENT = re.compile(
    r"\b(characters?|symbols?|emojis?|ascii|phrases?|terms?|words?|entry|entries)\b"
    r"|\b(exceeds?|at most|maximum|too many|too long|longer|up to|limit)\b"
    r"|\b(empty|duplicates?)\b",
    re.IGNORECASE,
)
MODEL = re.compile(
    r"speech[_ ]?models?|\bmodels?\b|\b(universal-\d|slam-\d|assemblyai-stt)",
    re.IGNORECASE,
)
LANGUAGE = re.compile(r"language", re.IGNORECASE)
REDACTION = re.compile(r"redact|\bpii\b", re.IGNORECASE)
WEBHOOK = re.compile(r"webhook", re.IGNORECASE)
ACCOUNT = re.compile(
    r"\b(account|billing|credits?|funds?|plan|quota|subscription|tier)\b", re.IGNORECASE
)
REQUEST = re.compile(
    r"\b(parameters?|fields?|propert(y|ies)|schema|json|arguments?|options?|endpoint)\b",
    re.IGNORECASE,
)


def suggest_change(reason: str, request: dict[str, Any]) -> str | None:
    """Return a sentence that says what to change, such as a setting.

    Return "" if the cause is unknown. Return None if the cause is this recording or the
    content of its keyword list.
    reason: AssemblyAI's sentence. request: the body that AssemblyAI refused.
    """
    listed = [key for key in ("keyterms_prompt", "custom_spelling") if key in request]
    is_of_list = any(key in reason for key in listed)
    if CONTENT.search(reason) if is_of_list else RECORDING.search(reason):
        return None
    # Try LANGUAGE before MODEL: AssemblyAI also calls features "models". For example,
    # "The following models are not available in this language: punctuate".
    known = [
        (is_of_list, f"{_change_setting('SPEECH_MODELS')} Or use no keyword list."),
        (LANGUAGE.search(reason), _change_setting("LANGUAGE_CODE")),
        (
            MODEL.search(reason) or _names_a_model(reason),
            _other_models(),
        ),
        (
            WEBHOOK.search(reason),
            "AssemblyAI refuses our webhook URL. Check BASE_URL.",
        ),
        (REDACTION.search(reason), _change_setting("REDACT_PII")),
        (
            ACCOUNT.search(reason),
            "Look at the account in AssemblyAI's dashboard.",
        ),
        (
            REQUEST.search(reason) or any(key in reason for key in request),
            "AssemblyAI no longer accepts the requests of this version. Upgrade "
            "djtranscribe.",
        ),
    ]
    return next((change for is_it, change in known if is_it), "")


def request_refusal(
    error: AssemblyAIError, transcript: Transcript, body: dict[str, Any]
) -> AssemblyAIError:
    """Return the error to raise for a failed POST /v2/transcript."""
    if error.account or not error.permanent:
        return error
    change = suggest_change(error.reason, body)
    if error.code == requests.codes.not_found and not error.reason:
        change = "Change ASSEMBLYAI_API_URL."
    may_be_the_upload = error.code in (
        requests.codes.forbidden,
        requests.codes.request_entity_too_large,
    )
    if change is None or (may_be_the_upload and not change):
        return error
    accepted = Transcript.objects.exclude(assemblyai_id=None)
    return _refusal_error(error.reason, change, transcript, accepted, error.code)


def job_refusal(transcript: Transcript, reason: str) -> AssemblyAIError | None:
    """Return an error if a job probably failed because of our settings, or None."""
    change = suggest_change(reason, transcript.request or {})
    if not change:
        return None
    completed = Transcript.objects.filter(status=Transcript.Status.COMPLETED)
    return _refusal_error(reason, change, transcript, completed, None)


def settings_fields(request: dict[str, Any] | None) -> dict[str, Any]:
    """Return the request without ROW_FIELDS, to compare it with other requests."""
    return {key: (request or {})[key] for key in {*(request or {})} - ROW_FIELDS}


def refused_at(transcript: Transcript, body: dict[str, Any]) -> datetime | None:
    """Return when AssemblyAI first refused `transcript` with the settings of `body`.

    Return None if `transcript` was not refused with these settings.
    """
    is_same = settings_fields(transcript.request) == settings_fields(body)
    return transcript.refused_at if is_same else None


def should_wait_for_others(transcript: Transcript) -> bool:
    """Return whether a refused transcript must wait until others were submitted.

    During a pause, we submit one transcript from time to time, to test our settings.
    Transcripts that were never refused go first. A refused transcript is a worse test:
    perhaps its recording is the only reason for the refusal.
    """
    if not transcript.refused_at:
        return False
    waiting = Transcript.objects.paused().current().filter(refused_at=None)
    may_be_tried = [Transcript.Status.FETCHED, Transcript.Status.UPLOADED]
    return waiting.filter(status__in=may_be_tried).exists()


def _refusal_error(
    reason: str,
    change: str,
    transcript: Transcript,
    accepted: Any,
    code: int | None,
) -> AssemblyAIError:
    reason = _without_content(reason, transcript)
    if _others_are_accepted(transcript, accepted):
        message = (
            "AssemblyAI refuses this recording, and accepts others with the same "
            f"settings. AssemblyAI says: {reason or 'nothing'}"
        )
        is_final = transcript.attempts >= MAX_REFUSED_ATTEMPTS
        return AssemblyAIError(message, permanent=is_final, code=code)
    change = change or (
        "We do not know this reason. Compare AssemblyAI's message with SPEECH_MODELS "
        f"(now {_models()}) and LANGUAGE_CODE (now {settings.SPEECH_LANGUAGE_CODE})."
    )
    message = (
        f"AssemblyAI refuses requests with our settings. {change} After a change in "
        ".env, restart the web server and the workers. AssemblyAI says: "
        f"{reason or 'nothing'}"
    )
    error = AssemblyAIError(message, permanent=True, account=True, code=code)
    error.refused_at = transcript.refused_at or timezone.now()
    return error


def _others_are_accepted(transcript: Transcript, accepted: Any) -> bool:
    """Return whether AssemblyAI accepts other transcripts with the same settings.

    Search only transcripts that were submitted after the first refusal of `transcript`.
    accepted: a queryset of the transcripts that AssemblyAI has accepted.
    """
    if not transcript.refused_at:
        return False
    newest = Transcript.objects.order_by("-created_at").values("pk")[:NEWEST_COMPARED]
    requests_since = (
        accepted.filter(
            pk__in=list(newest.values_list("pk", flat=True)),
            submitted_at__gt=transcript.refused_at,
        )
        .exclude(pk=transcript.pk)
        .values_list("request", flat=True)
    )
    ours = settings_fields(transcript.request)
    return any(
        settings_fields(request) == ours for request in requests_since.iterator()
    )


def _change_setting(setting: str) -> str:
    now = {
        "SPEECH_MODELS": _models(),
        "LANGUAGE_CODE": settings.SPEECH_LANGUAGE_CODE,
        "REDACT_PII": ",".join(settings.REDACT_PII),
    }
    return f"Change {setting} (now {now[setting]})."


def _names_a_model(reason: str) -> bool:
    return any(name in reason for name in settings.SPEECH_MODELS)


def _other_models() -> str:
    old = speech_models.describe_outdated(settings.SPEECH_MODELS)
    return " ".join([_change_setting("SPEECH_MODELS"), *old])


def _models() -> str:
    return ",".join(settings.SPEECH_MODELS)


def _without_content(reason: str, transcript: Transcript) -> str:
    """Remove private data from an error, because the public /healthz shows errors."""
    request = transcript.request or {}
    spelled = request.get("custom_spelling") or []
    quotable = ("audio_url", "prompt", "webhook_url")
    private = [
        *(request.get("keyterms_prompt") or []),
        *(text for rule in spelled for text in [*rule["from"], rule["to"]]),
        *(request[key] for key in quotable if key in request),
        transcript.webhook_token(),
    ]
    for text in sorted(private, key=len, reverse=True):
        reason = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", "…", reason, flags=re.I)
    return reason
