"""Django system checks that report wrong settings at start."""

import re
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution

from caller.phone_numbers import E164
from caller.twilio import speech, voices
from caller.twilio.connection import REAL_API, api_url, regional_url
from djtranscribe.middleware import is_page
from djtranscribe.public_urls import split_url

CONSOLE = "It is on the first page of the Twilio console."
START = (
    " Copy .env.example to .env and fill it in. (`manage.py sandbox` works without a "
    ".env.)"
)
# The path of BASE_URL must match this pattern. Proxies, browsers and vendors do not
# rewrite such a path.
PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
API_KEY = re.compile(r"SK[0-9a-f]{32}", re.ASCII)
REGION = re.compile(r"[a-z]{2}[1-9]", re.ASCII)
EDGE = re.compile(r"[a-z]{3,20}(-[a-z0-9]{1,10}){0,2}", re.ASCII)
API_HOST = re.compile(r"api(\.[a-z0-9-]+){0,2}\.twilio\.com", re.ASCII)
# Hosts with a region but without an edge, such as api.ie1.twilio.com. Twilio switched
# them off on 28 April 2026, except api.us1.twilio.com.
OLD_HOST = re.compile(r"api\.(?!us1\.)[a-z0-9-]+\.twilio\.com", re.ASCII)


@register()
def check_twilio(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    sid = settings.TWILIO_ACCOUNT_SID
    if not (sid.startswith("AC") and len(sid) == 34):
        message = "TWILIO_ACCOUNT_SID must be AC followed by 32 characters."
        problems.append(Error(message, CONSOLE + START, id="caller.E001"))
    if not settings.TWILIO_AUTH_TOKEN:
        message = "TWILIO_AUTH_TOKEN is empty: every webhook from Twilio is refused."
        problems.append(Error(message, CONSOLE + START, id="caller.E002"))
    if not E164.fullmatch(settings.TWILIO_PHONE_NUMBER):
        message = "TWILIO_PHONE_NUMBER is not a number such as +14155551234."
        hint = "Set it to your Twilio number: + and country code first, no spaces."
        problems.append(Error(message, hint + START, id="caller.E003"))
    return problems


@register()
def check_api_key(**kwargs: Any) -> list[CheckMessage]:
    key, secret = settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET
    hint = (
        "Create a key under API keys & tokens in the Twilio console and set both. Or "
        "set neither: then the auth token is used."
    )
    if bool(key) != bool(secret):
        missing = "TWILIO_API_SECRET" if key else "TWILIO_API_KEY"
        message = f"{missing} is missing: an API key and its secret belong together."
        return [Error(message, hint, id="caller.E010")]
    if key and not API_KEY.fullmatch(key):
        message = "TWILIO_API_KEY must be SK followed by 32 hexadecimal digits."
        return [Error(message, hint, id="caller.E011")]
    return []


@register()
def check_countries(**kwargs: Any) -> list[CheckMessage]:
    known = phonenumbers.SUPPORTED_REGIONS
    if wrong := [code for code in settings.DIAL_COUNTRIES if code not in known]:
        message = f"DIAL_COUNTRIES contains unknown country codes: {', '.join(wrong)}."
        hint = (
            "Use ISO codes of two letters, such as US,CA. The United Kingdom is GB, "
            "not UK."
        )
        return [Error(message, hint, id="caller.E015")]
    return []


@register()
def check_spoken_language(**kwargs: Any) -> list[CheckMessage]:
    spoken, voice = speech.language(), settings.SAY_VOICE
    if not (settings.SPEECH_LANGUAGE_CODE or spoken):
        return []  # A check of `transcription` reports the empty LANGUAGE_CODE.
    if spoken not in voices.LOCALES:
        message = (
            "Twilio cannot speak the language in LANGUAGE_CODE. People hear English."
        )
        if settings.SAY_LANGUAGE:
            message = "SAY_LANGUAGE is not in our list of languages that Twilio speaks."
        hint = "Set SAY_LANGUAGE to the language of the people you call, such as en-GB."
        return [Caution(message, hint, id="caller.W011")]
    problems: list[CheckMessage] = []
    if missing := speech.settings_without_translation():
        message = f"djtranscribe has no sentences in {spoken}. People hear English."
        hint = (
            f"Set {', '.join(missing)} to sentences in that language. Sentences for "
            "operators, and for calls that we do not accept, remain English."
        )
        problems.append(Caution(message, hint, id="caller.W012"))
    if voice and (fault := voices.voice_fault(voice, spoken)):
        hint = (
            f"Choose a voice for {spoken} at "
            "https://www.twilio.com/docs/voice/twiml/say/text-speech, or remove "
            "SAY_VOICE."
        )
        problems.append(Caution(fault, hint, id="caller.W013"))
    return problems


@register()
def check_machine_detection(**kwargs: Any) -> list[CheckMessage]:
    if settings.MACHINE_DETECTION in ("off", "show", "hangup"):
        return []
    message = "MACHINE_DETECTION is not off, show or hangup."
    hint = "Remove this setting to turn the detection off."
    return [Error(message, hint, id="caller.E014")]


@register()
def check_api_address(**kwargs: Any) -> list[CheckMessage]:
    address = settings.TWILIO_API_URL
    region, edge = settings.TWILIO_REGION, settings.TWILIO_EDGE
    if not is_api_address(address):
        message = "TWILIO_API_URL is not a URL of Twilio's API."
        hint = (
            "Remove it, or use a URL of Twilio such as "
            "https://api.dublin.ie1.twilio.com. Any other URL is for test servers and "
            "works only with DEBUG on."
        )
        return [Error(message, hint, id="caller.E005")]
    if (region and not REGION.fullmatch(region)) or (edge and not EDGE.fullmatch(edge)):
        message = "TWILIO_REGION or TWILIO_EDGE is not a name that Twilio uses."
        hint = "Examples of regions: ie1, au1, us1. Examples of edges: dublin, sydney."
        return [Error(message, hint, id="caller.E012")]
    wanted = regional_url(region, edge)
    if (region or edge) and address.rstrip("/") not in (REAL_API, wanted):
        message = "TWILIO_API_URL does not match TWILIO_REGION and TWILIO_EDGE."
        hint = f"Remove TWILIO_API_URL. Region and edge already select {wanted}."
        return [Error(message, hint, id="caller.E013")]
    if OLD_HOST.fullmatch(split_url(api_url()).hostname or ""):
        message = (
            "The host of Twilio's API has a region, but no edge. Twilio switched off "
            "such hosts on 28 April 2026."
        )
        hint = "Set TWILIO_EDGE too, such as dublin for ie1, or remove the region."
        return [Caution(message, hint, id="caller.W010")]
    return []


def is_api_address(address: str) -> bool:
    """Return whether this is an address of Twilio's API.

    With DEBUG on, any host is accepted, so that a test server can replace Twilio.
    """
    url = split_url(address)
    try:
        has_port = url.port is not None
    except ValueError:
        return False
    if url.path.strip("/") or url.query or url.fragment or url.username is not None:
        return False
    if settings.DEBUG:
        return url.scheme in {"http", "https"} and bool(url.hostname)
    is_twilio = API_HOST.fullmatch(url.hostname or "") is not None
    return url.scheme == "https" and is_twilio and not has_port


@register()
def check_base_url(**kwargs: Any) -> list[CheckMessage]:
    hint = (
        "Set it to the public URL of this site, such as "
        "https://transcribe.example.com (with ngrok: the https URL that it prints)."
    )
    url = split_url(settings.BASE_URL)
    if not (url.scheme in {"http", "https"} and url.hostname):
        message = "BASE_URL must be a URL that begins with https://."
    elif (
        settings.BASE_URL.endswith("/")
        # urlsplit drops an empty query and line breaks. This comparison finds them.
        or f"{url.scheme}://{url.netloc}{url.path}" != settings.BASE_URL
        or "@" in url.netloc
    ):
        message = (
            "BASE_URL must have no slash at the end, no query, no fragment and no user "
            "name."
        )
    elif not PATH.fullmatch(url.path):
        message = (
            "The path of BASE_URL must consist of names with one slash before each "
            "name, such as /calls or /team/calls. A name may contain the letters A to "
            "Z, digits, '-', '.', '_' and '~'."
        )
    elif url.path and (is_page(url.path) or f"{url.path}/".startswith("/static/")):
        message = (
            "The path of BASE_URL is also the path of a page of this site. Some "
            "proxies cannot tell the two apart. Choose another path, such as "
            "/transcribe."
        )
    elif url.scheme == "http" and not (settings.DEBUG and url.hostname in LOOPBACK):
        message = (
            "BASE_URL must begin with https://: otherwise secrets are sent without "
            "encryption."
        )
    elif "_" in url.hostname:
        message = "BASE_URL has an underscore in its host: Twilio does not accept that."
    else:
        return []
    return [Error(message, hint, id="caller.E004")]
