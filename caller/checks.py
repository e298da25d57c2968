"""System checks: a wrong setting is found at start, not by the first call."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from caller.phone_numbers import E164
from djtranscribe.middleware import is_page
from djtranscribe.public_urls import parts

CONSOLE = "It is on the first page of the Twilio console."
START = " Copy .env.example to .env and fill it in; `manage.py sandbox` needs none."
# The path of BASE_URL: what every proxy, browser and vendor writes in only one way.
PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@register()
def check_twilio(**kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    sid = settings.TWILIO_ACCOUNT_SID
    if not (sid.startswith("AC") and len(sid) == 34):
        message = "TWILIO_ACCOUNT_SID is not AC and 32 more characters."
        problems.append(Error(message, CONSOLE + START, id="caller.E001"))
    if not settings.TWILIO_AUTH_TOKEN:
        message = "TWILIO_AUTH_TOKEN is empty: anybody could sign webhooks."
        problems.append(Error(message, CONSOLE + START, id="caller.E002"))
    if not E164.fullmatch(settings.TWILIO_PHONE_NUMBER):
        message = "TWILIO_PHONE_NUMBER is not a number such as +14155551234."
        hint = "Your Twilio number with plus and country code, without blanks."
        problems.append(Error(message, hint + START, id="caller.E003"))
    api = parts(settings.TWILIO_API_URL)
    if not settings.DEBUG and not is_https(api, ".twilio.com"):
        message = "TWILIO_API_URL is not Twilio's."
        hint = "Leave it out: another address is for the sandbox, with DEBUG on."
        problems.append(Error(message, hint, id="caller.E005"))
    return problems


@register()
def check_base_url(**kwargs: Any) -> list[CheckMessage]:
    hint = (
        "The address of this site as the internet sees it, such as "
        "https://transcribe.example.com (with ngrok: the https line that it prints)."
    )
    url = parts(settings.BASE_URL)
    if not (url.scheme in {"http", "https"} and url.hostname):
        message = "BASE_URL is not an address that begins with https://."
    elif (
        settings.BASE_URL.endswith("/")
        # Also finds what urlsplit drops: an empty query, line breaks.
        or f"{url.scheme}://{url.netloc}{url.path}" != settings.BASE_URL
        or "@" in url.netloc
    ):
        message = "BASE_URL ends with a slash, or has more than an address."
    elif not PATH.fullmatch(url.path):
        message = (
            "BASE_URL's path is not made of names such as /calls or /team/calls: "
            "letters A to Z, digits, '-', '.', '_' and '~', and one slash before each."
        )
    elif url.path and (is_page(url.path) or f"{url.path}/".startswith("/static/")):
        message = (
            "BASE_URL's path is also the path of a page of this site: behind some "
            "proxies the two cannot be told apart. Choose another, such as /transcribe."
        )
    elif url.scheme == "http" and not (settings.DEBUG and url.hostname in LOOPBACK):
        message = "BASE_URL does not begin with https://: secrets would be readable."
    elif "_" in url.hostname:
        message = "BASE_URL has an underscore in its host: Twilio takes none."
    else:
        return []
    return [Error(message, hint, id="caller.E004")]


def is_https(url: Any, domain: str) -> bool:
    return url.scheme == "https" and ("." + (url.hostname or "")).endswith(domain)
