"""Signed POST requests to NOTIFY_URL. See standardwebhooks.com, specification 1.0.0

The URL comes only from the settings. A request to this site can never choose it.
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

from djtranscribe.vendors.deadlines import LimitedSession
from djtranscribe.vendors.errors import VendorError, never_sent, retry_after_seconds

TIMEOUT_SECONDS = 15  # in total, until the response headers have arrived
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)


class WebhookError(VendorError):
    vendor = "webhook"


class Session(LimitedSession):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None, so that `requests` does not follow redirects."""
        return None


def send(message_id: UUID, message: dict[str, Any]) -> str:
    """Send a message and return a text such as "HTTP status 200".

    Raises WebhookError. Its message leaves out the URL, which may contain a secret.
    """
    body = json.dumps(message).encode()
    with Session(TIMEOUT_SECONDS, settings.NOTIFY_URL) as session:
        try:
            # stream=True: do not read the response's body, which may be long.
            answer = session.post(
                settings.NOTIFY_URL,
                data=body,
                headers=headers(str(message_id), body),
                timeout=TIMEOUT_SECONDS,
                stream=True,
            )
        except (requests.RequestException, ValueError) as error:
            raise WebhookError(failure_reason(error)) from None
        answer.close()
    if not 200 <= answer.status_code < 300:
        raise error_for(answer)
    return f"HTTP status {answer.status_code}"


def headers(message_id: str, body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    signed = b".".join([message_id.encode(), at.encode(), body])
    return {
        "Content-Type": "application/json",
        "User-Agent": "djtranscribe",
        "webhook-id": message_id,
        "webhook-timestamp": at,
        # Sign with each secret: during a rotation, the receiver may know only one.
        "webhook-signature": " ".join(
            signature(key_of(secret), signed) for secret in settings.NOTIFY_SECRETS
        ),
    }


def signature(key: bytes, signed: bytes) -> str:
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def key_of(secret: str) -> bytes:
    """Decode a secret: `whsec_`, followed by 24 to 64 bytes in base64.

    Raises ValueError. Its message does not contain the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError(
            "A secret must be whsec_ followed by 24 to 64 bytes in base64."
        )
    return key


def failure_reason(error: Exception) -> str:
    """Explain why there was no response."""
    if not isinstance(error, requests.RequestException) or isinstance(
        error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
    ):
        return "Nothing was sent: NOTIFY_URL or NOTIFY_SECRET is not valid."
    if isinstance(error, requests.exceptions.SSLError):
        return "The TLS connection to the receiver failed: check its certificate."
    if never_sent(error):
        return "The receiver could not be reached."
    return (
        "The receiver closed the connection or did not answer within "
        f"{TIMEOUT_SECONDS} s."
    )


def error_for(answer: requests.Response) -> WebhookError:
    """Turn a response with a status other than 2xx into an error."""
    status = answer.status_code
    if status == requests.codes.gone:
        # This meaning of 410 is in the specification of Standard Webhooks.
        return WebhookError(
            "HTTP status 410: the receiver wants no more messages.",
            permanent=True,
            code=status,
        )
    is_redirect = 300 <= status < 400
    note = ": redirects are not followed." if is_redirect else ""
    wait = parse_retry_after(answer.headers.get("Retry-After"))
    return WebhookError(f"HTTP status {status}{note}", retry_after=wait, code=status)


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds to wait from a Retry-After header, or None.

    A valid header has a number of seconds or an HTTP date. HTTP dates are in UTC.
    """
    seconds = retry_after_seconds(value)
    if seconds is not None or not value:
        return seconds
    try:
        at = parsedate_to_datetime(value).replace(tzinfo=tz.utc)
        return (at - datetime.now(tz.utc)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
