"""Validate requests for a transcript, with AssemblyAI's error messages.

Unlike the real service, refuse unknown fields: they are probably our mistakes.
"""

from typing import Any

from sandbox.assemblyai.state import account

MODELS = ("assemblyai-stt-3-7", "universal-3-5-pro", "universal-2")
# Deprecated models, with their successors. They work, with a warning in the response.
DEPRECATED = {"universal-3-5-pro": "assemblyai-stt-3-7"}
SUGGESTED = '["assemblyai-stt-3-7", "universal-2"]'
# Maximum number of words in all keyterms together, and in one keyterm.
KEYTERMS_WORDS = 1000
KEYTERM_WORDS = 6

# {name of a field: allowed types of its value}
FIELDS: dict[str, tuple[type, ...]] = {
    "audio_url": (str,),
    "audio_end_at": (int,),
    "audio_start_from": (int,),
    "auto_chapters": (bool,),
    "auto_highlights": (bool,),
    "content_safety": (bool,),
    "content_safety_confidence": (int,),
    "custom_spelling": (list,),
    "custom_topics": (bool,),
    "disfluencies": (bool,),
    "domain": (str,),
    "entity_detection": (bool,),
    "filter_profanity": (bool,),
    "format_text": (bool,),
    "iab_categories": (bool,),
    "keyterms_prompt": (list,),
    "keyterms_prompt_options": (dict,),
    "language_code": (str,),
    "language_codes": (list,),
    "language_confidence_threshold": (int, float),
    "language_detection": (bool,),
    "language_detection_options": (dict,),
    "multichannel": (bool,),
    "prompt": (str,),
    "punctuate": (bool,),
    "redact_pii": (bool,),
    "redact_pii_audio": (bool,),
    "redact_pii_audio_options": (dict,),
    "redact_pii_audio_quality": (str,),
    "redact_pii_policies": (list,),
    "redact_pii_sub": (str,),
    "remove_audio_tags": (str,),
    "sentiment_analysis": (bool,),
    "speaker_labels": (bool,),
    "speaker_options": (dict,),
    "speakers_expected": (int,),
    "speech_models": (list,),
    "speech_threshold": (int, float),
    "speech_understanding": (dict,),
    "summarization": (bool,),
    "summary_model": (str,),
    "summary_type": (str,),
    "temperature": (int, float),
    "topics": (list,),
    "webhook_auth_header_name": (str,),
    "webhook_auth_header_value": (str,),
    "webhook_url": (str,),
}
NULL_ALLOWED = {
    "language_code",
    "language_codes",
    "redact_pii_sub",
    "remove_audio_tags",
    "speakers_expected",
    "speech_threshold",
    "webhook_auth_header_name",
    "webhook_auth_header_value",
}


def refusal(body: Any) -> str | None:
    """Return why this request is refused, or None."""
    if not isinstance(body, dict):
        return "Invalid JSON body"
    for check in (
        _removed_fields,
        _types,
        _audio,
        _models,
        _keyterms,
        _spelling,
        _webhook,
    ):
        if reason := check(body):
            return reason
    return None


def _removed_fields(body: dict[str, Any]) -> str | None:
    if "word_boost" in body or "boost_param" in body:
        models = body.get("speech_models") or [MODELS[0]]
        return (
            f'"word_boost" is not compatible with {models[0]}. '
            'Use "prompt" or "keyterms_prompt"'
        )
    if body.get("speech_model") is not None:
        return 'speech_model is deprecated. Use "speech_models" instead.'
    return None


def _types(body: dict[str, Any]) -> str | None:
    for name, value in body.items():
        if name not in FIELDS:
            return f"Invalid endpoint schema: unknown field {name}"
        if value is None and name in NULL_ALLOWED:
            continue
        # In Python, unlike JSON, a bool is an int.
        wrong_bool = isinstance(value, bool) and bool not in FIELDS[name]
        if wrong_bool or not isinstance(value, FIELDS[name]):
            return f"Invalid endpoint schema: {name} has the wrong type"
    return None


def _audio(body: dict[str, Any]) -> str | None:
    if not body.get("audio_url", "").startswith("http"):
        return "Transcript creation error, audio_url should start with http"
    return None


def _models(body: dict[str, Any]) -> str | None:
    models = body.get("speech_models") or []
    retired = [model for model in models if model in account.retired_models]
    if retired:
        names = ", ".join(f'"{model}"' for model in retired)
        return (
            f"The {names} speech model(s) have been deprecated. "
            f"Use speech_models: {SUGGESTED} instead."
        )
    if not models or any(model not in MODELS for model in models):
        accepted = [model for model in MODELS if model not in account.retired_models]
        return (
            '"speech_models" must be a non-empty list containing one or more of: '
            + ", ".join(f'"{model}"' for model in accepted)
        )
    return None


def warnings(body: dict[str, Any]) -> list[str]:
    """Return a warning for each deprecated model in the request."""
    return [
        f"{model} is deprecated. Use {DEPRECATED[model]} instead."
        for model in body["speech_models"]
        if model in DEPRECATED
    ]


def _keyterms(body: dict[str, Any]) -> str | None:
    # AssemblyAI does not document what happens above these limits. Refuse the request,
    # so that we notice.
    terms = body.get("keyterms_prompt", [])
    if not all(isinstance(term, str) and term.strip() for term in terms):
        return "keyterms_prompt must be a list of non-empty strings"
    if any(len(term.split()) > KEYTERM_WORDS for term in terms):
        return f"keyterms_prompt: a phrase has at most {KEYTERM_WORDS} words"
    if sum(len(term.split()) for term in terms) > KEYTERMS_WORDS:
        return f"keyterms_prompt: at most {KEYTERMS_WORDS} words in all"
    return None


def _spelling(body: dict[str, Any]) -> str | None:
    for rule in body.get("custom_spelling", []):
        is_valid = (
            isinstance(rule, dict)
            and set(rule) == {"from", "to"}
            and isinstance(rule["from"], list)
            and all(isinstance(text, str) and text for text in rule["from"])
            and isinstance(rule["to"], str)
        )
        if not is_valid:
            return 'custom_spelling must be a list of {"from": [...], "to": "..."}'
        if len(rule["to"].split()) != 1:
            return "custom_spelling: to must be one word"
    return None


def _webhook(body: dict[str, Any]) -> str | None:
    if not body.get("webhook_url", "http").startswith("http"):
        return "Transcript creation error, webhook_url should start with http"
    name, value = (body.get(f"webhook_auth_header_{x}") for x in ("name", "value"))
    if bool(name) != bool(value):
        return "webhook_auth_header_name and webhook_auth_header_value go together"
    return None
