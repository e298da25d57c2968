"""System checks of the settings: report mistakes at start."""

import re
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from caller.checks import LOOPBACK, START, is_https
from djtranscribe.public_urls import parts
from transcription.assemblyai import speech_models
from transcription.assemblyai.client import TIMEOUT_SECONDS
from transcription.notifications.webhook import key_of

# Maximum of the settings in check_waits. If `poll_after` (steps.py) were longer than
# LONGEST_WAIT (transcript_queries.py), a waiting row would count as due at once. Then
# the worker would ask AssemblyAI again and again, without a pause.
LONGEST_SECONDS = 3600
# The form of a name in REDACT_PII. Only the form is checked, because AssemblyAI has
# dozens of these policies and sometimes adds new ones.
POLICY = re.compile(r"[a-z]+(_[a-z]+)*")
# At least this many sweeps must fit into RECOVER_SECONDS. Without webhooks, a call
# waits a third of RECOVER_SECONDS, and its transcript a quarter. After each of these
# waits, the next sweep must come. All of this must fit into RECOVER_SECONDS.
SWEEPS_TO_RECOVER = 5


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
    for sentence in speech_models.outdated(settings.SPEECH_MODELS):
        message = f"SPEECH_MODELS: {sentence}"
        hint = (
            f"Change it in .env and restart. Models: {speech_models.SOURCE} (our list "
            f"was checked on {speech_models.CHECKED_ON.isoformat()})."
        )
        problems.append(Caution(message, hint, id="transcription.W003"))
    if settings.AUDIO_DELIVERY not in {"upload", "url"}:
        message = "AUDIO_DELIVERY is neither upload nor url."
        problems.append(Error(message, "upload suits all.", id="transcription.E004"))
    if odd := [name for name in settings.REDACT_PII if not POLICY.fullmatch(name)]:
        message = f"REDACT_PII: {', '.join(odd)} is no name of a policy."
        hint = "Names as AssemblyAI writes them: person_name,phone_number"
        problems.append(Error(message, hint, id="transcription.E012"))
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


@register()
def check_waits(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    for name, good in (
        ("RECOVER_SECONDS", 90),
        ("LEASE_SECONDS", 60),
        ("SWEEP_SECONDS", 10),
    ):
        seconds = getattr(settings, name)
        if seconds > LONGEST_SECONDS:
            message = f"{name} is {seconds}; the most is {LONGEST_SECONDS}, an hour."
            hint = f"{good} is a good value; leave it out for that."
            problems.append(Error(message, hint, id="transcription.E011"))
    if not problems and settings.SWEEP_SECONDS * SWEEPS_TO_RECOVER > (
        settings.RECOVER_SECONDS
    ):
        message = (
            f"SWEEP_SECONDS is {settings.SWEEP_SECONDS}: too rare for what "
            f"RECOVER_SECONDS, {settings.RECOVER_SECONDS}, promises."
        )
        hint = f"At most 1/{SWEEPS_TO_RECOVER} of RECOVER_SECONDS."
        problems.append(Caution(message, hint, id="transcription.W002"))
    return problems


@register()
def check_notify_url(**kwargs: Any) -> list[CheckMessage]:
    if not settings.NOTIFY_URL:
        return []
    problems: list[CheckMessage] = []
    schemes = {"https", "http"} if settings.DEBUG else {"https"}
    if not is_plain(settings.NOTIFY_URL, schemes):
        message = "NOTIFY_URL is not an https address without a name or a fragment."
        hint = (
            "Where your webhooks go, such as https://example.com/hooks/transcripts; "
            "empty for none. The signature says who sends them."
        )
        problems.append(Error(message, hint, id="transcription.E006"))
    try:
        keys = [key_of(secret) for secret in settings.NOTIFY_SECRETS]
    except ValueError:
        keys = []
    if not keys:
        message = "NOTIFY_SECRET is not whsec_ and 24 to 64 bytes in base64."
        hint = (
            "NOTIFY_URL needs one, to sign with; several with commas while you rotate "
            "it. .env.example has a command that prints a good one."
        )
        problems.append(Error(message, hint, id="transcription.E007"))
    return problems


@register()
def check_notify_email(**kwargs: Any) -> list[CheckMessage]:
    if not settings.NOTIFY_EMAIL:
        return []
    problems: list[CheckMessage] = []
    hint = "smtp+tls://user:password@host:587 or smtps://user:password@host:465"
    if settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
        message = "NOTIFY_EMAIL is on, and EMAIL_URL names no mail server."
        problems.append(Error(message, hint, id="transcription.E008"))
    is_plain_smtp = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    is_far = settings.EMAIL_HOST not in LOOPBACK
    if settings.EMAIL_HOST_PASSWORD and is_plain_smtp and is_far:
        message = "EMAIL_URL sends the mail server's password readable to all."
        problems.append(Error(message, hint, id="transcription.E009"))
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    try:
        validate_email(address)
        is_sender = settings.DEFAULT_FROM_EMAIL.isprintable()
    except ValidationError:
        # Accept an invalid address on a developer's machine: the default address may be
        # invalid there, and e-mail is usually only printed.
        is_sender = settings.DEBUG
    if not is_sender:
        message = "DEFAULT_FROM_EMAIL is not an e-mail address."
        hint = "Who sends, such as transcripts@example.com."
        problems.append(Error(message, hint, id="transcription.E010"))
    return problems


def is_plain(url: str, schemes: set[str]) -> bool:
    """Return whether requests can be sent to this URL.

    It must have one of the schemes, and no user name, password or fragment.
    """
    address = parts(url)
    try:
        has_port = address.port != 0
    except ValueError:
        has_port = False
    odd = address.username or address.password or address.fragment or "#" in url
    return bool(
        has_port
        and address.scheme in schemes
        and address.hostname
        and not odd
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )
