"""System checks of the settings: report mistakes at start."""

import re
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from caller.checks import LOOPBACK, START
from djtranscribe.public_urls import split_url
from transcription.assemblyai import speech_models
from transcription.assemblyai.client import TIMEOUT_SECONDS
from transcription.notifications.webhook import key_of

# The highest allowed value of RECOVER_SECONDS and of LEASE_SECONDS. If
# RECOVER_SECONDS were higher, recovery.wait_for_twilio would be longer than
# call_queries.MAX_WAIT. Then `CallQuerySet.due` would take the clock for wrong, and
# every sweep would ask Twilio about every call that waits for a check.
MAX_SECONDS = 3600
# The form of a policy's name in REDACT_PII. Only the form is checked, because
# AssemblyAI has dozens of policies and sometimes adds new ones.
POLICY = re.compile(r"[a-z]+(_[a-z]+)*")


@register()
def check_assemblyai(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if not settings.ASSEMBLYAI_KEY:
        message = "ASSEMBLYAI_KEY is empty."
        hint = "Set it to your API key from AssemblyAI's dashboard." + START
        problems.append(Error(message, hint, id="transcription.E001"))
    api = split_url(settings.ASSEMBLYAI_API_URL)
    is_vendor = ("." + (api.hostname or "")).endswith(".assemblyai.com")
    if not settings.DEBUG and not (api.scheme == "https" and is_vendor):
        message = "ASSEMBLYAI_API_URL is not a URL of AssemblyAI."
        hint = (
            "Leave it out, or set it to https://api.eu.assemblyai.com to keep the data "
            "in the EU."
        )
        problems.append(Error(message, hint, id="transcription.E002"))
    if not settings.SPEECH_MODELS:
        message = "SPEECH_MODELS is empty: AssemblyAI refuses a job without a model."
        hint = "Leave it out for the default, or list models, separated by commas."
        problems.append(Error(message, hint, id="transcription.E003"))
    for sentence in speech_models.describe_outdated(settings.SPEECH_MODELS):
        message = f"SPEECH_MODELS: {sentence}"
        hint = (
            f"Change it in .env and restart. Models: {speech_models.SOURCE} (our list "
            f"was checked on {speech_models.CHECKED_ON.isoformat()})."
        )
        problems.append(Caution(message, hint, id="transcription.W003"))
    if settings.AUDIO_DELIVERY not in {"upload", "url"}:
        message = "AUDIO_DELIVERY is neither upload nor url."
        hint = "Set it to upload if you are not sure."
        problems.append(Error(message, hint, id="transcription.E004"))
    if odd := [name for name in settings.REDACT_PII if not POLICY.fullmatch(name)]:
        message = f"REDACT_PII contains names that are not policies: {', '.join(odd)}."
        hint = "Use AssemblyAI's names, such as person_name,phone_number."
        problems.append(Error(message, hint, id="transcription.E012"))
    if not settings.SPEECH_LANGUAGE_CODE:
        message = "LANGUAGE_CODE is empty."
        hint = (
            "Set it to AssemblyAI's language code, such as en_us or es, or to the word "
            '"detect".'
        )
        problems.append(Error(message, hint, id="transcription.E005"))
    return problems


@register()
def check_lease(**kwargs: Any) -> list[CheckMessage]:
    longest = sum(TIMEOUT_SECONDS)
    if longest < settings.LEASE_SECONDS:
        return []
    message = (
        f"LEASE_SECONDS ({settings.LEASE_SECONDS}) is not longer than the longest "
        f"request ({longest:.0f} s), so a second worker could repeat work that is "
        "still running."
    )
    return [Caution(message, "Set it to 60.", id="transcription.W001")]


@register()
def check_waits(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    for name, good in (("RECOVER_SECONDS", 90), ("LEASE_SECONDS", 60)):
        seconds = getattr(settings, name)
        if seconds > MAX_SECONDS:
            message = f"{name} is {seconds}. The maximum is {MAX_SECONDS}, an hour."
            hint = f"Remove it: the default is {good}."
            problems.append(Error(message, hint, id="transcription.E011"))
    return problems


@register()
def check_notify_url(**kwargs: Any) -> list[CheckMessage]:
    if not settings.NOTIFY_URL:
        return []
    problems: list[CheckMessage] = []
    schemes = {"https", "http"} if settings.DEBUG else {"https"}
    if not can_receive_webhooks(settings.NOTIFY_URL, schemes):
        message = (
            "NOTIFY_URL must be an https URL without user name, password and "
            "fragment (#…)."
        )
        hint = (
            "Set it to the URL of your receiver, such as "
            "https://example.com/hooks/transcripts, or leave it empty. A password is "
            "not needed: each webhook is signed."
        )
        problems.append(Error(message, hint, id="transcription.E006"))
    try:
        keys = [key_of(secret) for secret in settings.NOTIFY_SECRETS]
    except ValueError:
        keys = []
    if not keys:
        message = "NOTIFY_SECRET must be whsec_ followed by 24 to 64 bytes in base64."
        hint = (
            "It signs the webhooks to NOTIFY_URL. While you rotate it, set several, "
            "separated by commas. .env.example has a command that prints a new one."
        )
        problems.append(Error(message, hint, id="transcription.E007"))
    return problems


@register()
def check_email(**kwargs: Any) -> list[CheckMessage]:
    if not (settings.NOTIFY_EMAIL or settings.HAS_EMAIL_URL):
        return []
    problems: list[CheckMessage] = []
    hint = (
        "Set EMAIL_URL to smtp+tls://user:password@host:587 or "
        "smtps://user:password@host:465. Percent-encode special characters in user "
        "and password: # is %23."
    )
    kind = settings.EMAIL_BACKEND.split(".")[-2]
    if kind == "dummy" or (kind == "console" and settings.HAS_EMAIL_URL):
        message = "NOTIFY_EMAIL is on, but EMAIL_URL is empty."
        if settings.HAS_EMAIL_URL:
            message = "EMAIL_URL is not the URL of a mail server."
        problems.append(Error(message, hint, id="transcription.E008"))
    is_plain_smtp = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    is_far = settings.EMAIL_HOST not in LOOPBACK
    if settings.EMAIL_HOST_PASSWORD and is_plain_smtp and is_far:
        message = (
            "With this EMAIL_URL, the password is sent to the mail server without "
            "encryption."
        )
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
        hint = "Set it to the sender of e-mails, such as transcripts@example.com."
        problems.append(Error(message, hint, id="transcription.E010"))
    return problems


def can_receive_webhooks(url: str, schemes: set[str]) -> bool:
    """Return whether this URL is valid as NOTIFY_URL.

    The URL must have one of the schemes. It must not have a user name, a password, a
    fragment or a space. All characters must be printable ASCII characters.
    """
    address = split_url(url)
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
