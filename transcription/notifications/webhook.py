"""POST to NOTIFY_URL, signed. standardwebhooks.com, specification 1.0.0

An address that only the settings name: none that came in a request is fetched.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import datetime
from datetime import timezone as tz
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import requests
from django.conf import settings

from djtranscribe.vendors.deadlines import LimitedAdapter
from djtranscribe.vendors.errors import VendorError, never_sent, retry_after_seconds

TIMEOUT_SECONDS = 15  # all in all, until the headers of the answer are there
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)


class WebhookError(VendorError):
    vendor = "webhook"


class Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None is followed; asked for one, requests would read a body without end."""
        return None


def send(message_id: UUID, message: dict[str, Any]) -> str:
    """The receiver's answer in words, once it has taken the message.

    Raises WebhookError, without the address, which may hold a secret of its own.
    """
    body = json.dumps(message).encode()
    with Session() as session:
        # A receiver on this machine is never reached through a proxy.
        session.trust_env = settings.NOTIFY_URL.startswith("https://")
        for scheme in ("https://", "http://"):
            session.mount(scheme, LimitedAdapter(TIMEOUT_SECONDS))
        try:
            # Streamed: what it writes is neither read nor kept.
            answer = session.post(
                settings.NOTIFY_URL,
                data=body,
                headers=headers(str(message_id), body),
                timeout=TIMEOUT_SECONDS,
                stream=True,
            )
        except (requests.RequestException, ValueError) as error:
            raise WebhookError(unanswered(error)) from None
        answer.close()
    if not 200 <= answer.status_code < 300:
        raise refusal(answer)
    return f"HTTP status {answer.status_code}"


def headers(message_id: str, body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    signed = b".".join([message_id.encode(), at.encode(), body])
    return {
        "Content-Type": "application/json",
        "User-Agent": "djtranscribe",
        "webhook-id": message_id,
        "webhook-timestamp": at,
        # One for each secret: while it is rotated, a receiver knows either.
        "webhook-signature": " ".join(
            signature(key_of(secret), signed) for secret in settings.NOTIFY_SECRETS
        ),
    }


def signature(key: bytes, signed: bytes) -> str:
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def key_of(secret: str) -> bytes:
    """`whsec_` and 24 to 64 bytes in base64. Raises ValueError, without the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError("A secret is not whsec_ and 24 to 64 bytes in base64.")
    return key


def unanswered(error: Exception) -> str:
    if not isinstance(error, requests.RequestException) or isinstance(
        error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
    ):
        return "Nothing was sent: NOTIFY_URL or NOTIFY_SECRET is not right."
    if isinstance(error, requests.exceptions.SSLError):
        return "The receiver's certificate is not accepted."
    if never_sent(error):
        return "The receiver could not be reached."
    return f"The receiver did not answer within {TIMEOUT_SECONDS} s."


def refusal(answer: requests.Response) -> WebhookError:
    status = answer.status_code
    if status == requests.codes.gone:
        # By the specification: it wants no more of this.
        return WebhookError("HTTP status 410: gone.", permanent=True, code=status)
    is_redirect = 300 <= status < 400
    note = ": a redirect, which is not followed." if is_redirect else ""
    wait = seconds_asked(answer.headers.get("Retry-After"))
    return WebhookError(f"HTTP status {status}{note}", retry_after=wait, code=status)


def seconds_asked(value: str | None) -> float | None:
    """Of a Retry-After header: seconds, or a date in UTC as all of HTTP's are."""
    seconds = retry_after_seconds(value)
    if seconds is not None or not value:
        return seconds
    try:
        at = parsedate_to_datetime(value).replace(tzinfo=tz.utc)
        return (at - datetime.now(tz.utc)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
