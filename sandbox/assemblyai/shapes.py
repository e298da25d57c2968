"""JSON of transcripts and lists in the shape of AssemblyAI's API."""

from datetime import datetime
from typing import Any

from sandbox.assemblyai import wording
from sandbox.assemblyai.state import Job, account

# Fields of every response, with their values if the request does not set them.
DEFAULTS: dict[str, Any] = {
    "audio_end_at": None,
    "audio_start_from": None,
    "auto_chapters": False,
    "auto_highlights": False,
    "content_safety": False,
    "custom_spelling": None,
    "disfluencies": False,
    "entity_detection": False,
    "filter_profanity": False,
    "format_text": True,
    "iab_categories": False,
    "keyterms_prompt": [],
    "language_codes": None,
    "language_confidence_threshold": None,
    "language_detection": False,
    "multichannel": False,
    "prompt": "",
    "punctuate": True,
    "redact_pii": False,
    "redact_pii_audio": False,
    "redact_pii_audio_quality": None,
    "redact_pii_policies": None,
    "redact_pii_sub": None,
    "remove_audio_tags": None,
    "sentiment_analysis": False,
    "speaker_labels": False,
    "speakers_expected": None,
    "speech_threshold": None,
    "summarization": False,
    "summary_model": None,
    "summary_type": None,
    "temperature": None,
    "webhook_url": None,
    "webhook_auth_header_name": None,
}
# Results that the stand-in never produces, and obsolete fields of the API.
EMPTY: dict[str, Any] = {
    "auto_highlights_result": None,
    "chapters": None,
    "content_safety_labels": None,
    "entities": None,
    "iab_categories_result": None,
    "sentiment_analysis_results": None,
    "summary": None,
    "throttled": False,
    "acoustic_model": "assemblyai_default",
    "language_model": "assemblyai_default",
    "speech_model": None,
    "speed_boost": None,
    "custom_topics": None,
    "topics": [],
}
# This field is a secret, so the response does not contain it.
SECRET = "webhook_auth_header_value"
DELETED_URL = "http://deleted_by_user"


def transcript(job: Job) -> dict[str, Any]:
    options = {name: value for name, value in job.request.items() if name != SECRET}
    done = job.status == "completed"
    words = job.words or []
    data = DEFAULTS | EMPTY | options
    data |= {
        "id": job.id,
        "status": job.status,
        "error": job.error,
        "text": job.text,
        "words": None if job.words is None else [_word(job, word) for word in words],
        "utterances": _utterances(job),
        "confidence": _mean(words) if done and not job.deleted else None,
        "audio_duration": None if job.seconds is None else round(job.seconds),
        "language_code": _language(job),
        "language_confidence": 0.99
        if done and options.get("language_detection")
        else None,
        "speech_model_used": options["speech_models"][0] if done else None,
        "webhook_auth": bool(job.request.get(SECRET)),
        "webhook_status_code": job.webhook_status_code,
        "metadata": {
            "domain_used": None,
            "warning": None,
            "warnings": [{"message": message} for message in job.warnings],
        },
    }
    if options.get("multichannel"):
        data["audio_channels"] = job.channels
    return data | _tombstone() if job.deleted else data


def _language(job: Job) -> str | None:
    if job.request.get("language_detection"):
        return "en" if job.status == "completed" else None
    return job.request.get("language_code") or "en_us"


def _word(job: Job, word: dict[str, Any]) -> dict[str, Any]:
    names = ("text", "start", "end", "confidence", "channel")
    speaker = word["channel"]
    if not speaker and job.request.get("speaker_labels"):
        speaker = "A"  # the stand-in cannot distinguish voices
    return {name: word[name] for name in names} | {"speaker": speaker}


def _mean(words: list[dict[str, Any]]) -> float:
    if not words:
        return 0.0
    total: float = sum(word["confidence"] for word in words)
    return round(total / len(words), 5)


def _utterances(job: Job) -> list[dict[str, Any]] | None:
    wanted = job.request.get("speaker_labels") or job.request.get("multichannel")
    if not wanted or job.words is None:
        return None
    utterances = []
    for group in wording.sentences(job.words):
        words = [_word(job, word) for word in group]
        utterances.append(
            {
                "speaker": words[0]["speaker"],
                "channel": words[0]["channel"],
                "text": " ".join(word["text"] for word in words),
                "start": words[0]["start"],
                "end": words[-1]["end"],
                "confidence": _mean(words),
                "words": words,
            }
        )
    return utterances


def _tombstone() -> dict[str, Any]:
    return {
        "status": "completed",
        "error": None,
        "text": "Deleted by user.",
        "audio_url": DELETED_URL,
        "webhook_url": DELETED_URL,
        "webhook_auth": False,
        "webhook_auth_header_name": None,
        "words": None,
        "utterances": None,
        "confidence": None,
        "language_code": None,
        "keyterms_prompt": [],
        "custom_spelling": None,
        "prompt": "",
    }


def time(moment: datetime | None) -> str | None:
    """Format a UTC time without a zone, as AssemblyAI does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else None


def list_item(job: Job) -> dict[str, Any]:
    audio_url = DELETED_URL if job.deleted else job.request["audio_url"]
    return {
        "id": job.id,
        "resource_url": f"{account.base_url}/v2/transcript/{job.id}",
        "status": job.status,
        "created": time(job.created),
        "completed": time(job.completed),
        "audio_url": audio_url,
        "error": job.error,
    }
