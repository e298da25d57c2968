"""System checks: a wrong setting is found at start, not by the first recording."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution

from caller.checks import START, is_https
from djtranscribe.public_urls import parts
from transcription.assemblyai_client import TIMEOUT_SECONDS


@register()
def check_assemblyai(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if not settings.ASSEMBLYAI_KEY:
        message = "ASSEMBLYAI_KEY is empty."
        hint = "Your API key, from AssemblyAI's dashboard." + START
        problems.append(Error(message, hint, id="transcription.E001"))
    api = parts(settings.ASSEMBLYAI_API_URL)
    if not settings.DEBUG and not is_https(api, ".assemblyai.com"):
        message = "ASSEMBLYAI_API_URL is not AssemblyAI's."
        hint = "Leave it out, or https://api.eu.assemblyai.com to stay in the EU."
        problems.append(Error(message, hint, id="transcription.E002"))
    if not settings.SPEECH_MODELS:
        message = "SPEECH_MODELS is empty: AssemblyAI refuses a job without a model."
        hint = "Leave it out for the default, or name models separated by commas."
        problems.append(Error(message, hint, id="transcription.E003"))
    if settings.AUDIO_DELIVERY not in {"upload", "url"}:
        message = "AUDIO_DELIVERY is neither upload nor url."
        problems.append(Error(message, "upload suits all.", id="transcription.E004"))
    if not settings.SPEECH_LANGUAGE_CODE:
        message = "LANGUAGE_CODE is empty."
        hint = (
            "The language of the calls as AssemblyAI writes it: en_us, es, … or detect."
        )
        problems.append(Error(message, hint, id="transcription.E005"))
    return problems


@register()
def check_lease(**kwargs: Any) -> list[CheckMessage]:
    longest = sum(TIMEOUT_SECONDS)
    if longest < settings.LEASE_SECONDS:
        return []
    message = (
        f"LEASE_SECONDS is {settings.LEASE_SECONDS}, and one request may take "
        f"{longest:.0f}: a second worker could take over a row that is worked on."
    )
    return [Caution(message, "60 is a good value.", id="transcription.W001")]
