"""Turn Twilio's refusals and network errors into messages for operators.

twilio.com/docs/api/errors
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException

from djtranscribe.public_urls import split_url
from djtranscribe.vendors.deadlines import AnswerTooLarge
from djtranscribe.vendors.errors import VendorError, never_sent, retry_after_seconds

NOT_FOUND = 20404
NOT_CALLABLE = "Twilio cannot call this number. Check each digit."
PERMISSION = (
    "This Twilio account has no permission to call that country. Enable the country "
    "in the Twilio console under Voice, Geographic Permissions."
)
OUR_NUMBER = (
    "TWILIO_PHONE_NUMBER is not a number of this Twilio account. Compare it with the "
    "Twilio console."
)
REFUSALS = {
    13224: NOT_CALLABLE,
    21205: "Twilio cannot use our address. Set BASE_URL to the public https address "
    "of this site.",
    21210: OUR_NUMBER,
    21211: NOT_CALLABLE,
    21212: OUR_NUMBER,
    21214: NOT_CALLABLE,
    21215: PERMISSION,
    21216: "This number is blocked for the Twilio account. Ask Twilio's support.",
    21217: NOT_CALLABLE,
    21219: "A trial account of Twilio may only call numbers verified in its console.",
    573005: "A trial account of Twilio may only call numbers verified in its console.",
}
# Messages for faults of our account or its credentials. Such a fault makes all requests
# fail, or all requests of one kind.
# twilio.com/docs/api/errors/20003, .../20403, .../70051, .../403
CREDENTIALS = (
    "Twilio does not accept our credentials. Compare TWILIO_ACCOUNT_SID and "
    "TWILIO_AUTH_TOKEN with the Twilio console."
)
API_KEY = (
    "Twilio does not accept our credentials. Compare TWILIO_API_KEY, TWILIO_API_SECRET "
    "and TWILIO_ACCOUNT_SID with API keys & tokens in the Twilio console."
)
REGION = (
    " Keys and tokens work only in the region where they were created. We use "
    "{place}; set {setting} to change that."
)
INCOMPLETE_API_KEY = (
    "TWILIO_API_KEY and TWILIO_API_SECRET work only together: one is missing."
)
NOT_ALLOWED = (
    "Our account or API key is not allowed to do this. Use a standard API key, or give "
    "the restricted key these permissions: create and read calls, read recordings, "
    "read phone numbers, (for retention periods) delete calls and recordings, (with "
    "MACHINE_DETECTION=hangup) update calls, and (for connect-number) update phone "
    "numbers. Test credentials do not work."
)
SUSPENDED = (
    "The Twilio account is suspended or closed. The Twilio console shows the reason "
    "and what to do."
)
ACCOUNT_FAULTS = {
    20005: SUSPENDED,
    20006: NOT_ALLOWED,
    20008: "The settings have Twilio's test credentials, which cannot read calls or "
    "recordings. Use live credentials or a key of the live account.",
    20403: SUSPENDED,
    70051: NOT_ALLOWED,
}
CODE = re.compile(r'"code"\s*:\s*"?([0-9]{5,6})\b|<Code>([0-9]{5,6})</Code>')


class TwilioError(VendorError):
    vendor = "twilio"


@contextmanager
def translate_errors() -> Iterator[None]:
    """Convert exceptions of the SDK and the network to TwilioError.

    A ValueError is converted, too: it means that we cannot read the response.
    """
    try:
        yield
    except TwilioRestException as error:
        raise error_from_response(error.status, error.code, None) from error
    except TwilioException as error:
        # If Twilio refuses to list something, such as with `client().calls.list()`,
        # args[1] is the response.
        answer = error.args[1] if len(error.args) > 1 else None
        status = getattr(answer, "status_code", None) or getattr(error, "status", None)
        code = code_in(getattr(answer, "text", "") or "") or getattr(
            error, "code", None
        )
        raise error_from_response(
            status, code, getattr(answer, "headers", None)
        ) from error
    except AnswerTooLarge as error:
        raise unreadable_answer() from error
    except requests.RequestException as error:
        if never_sent(error):
            message = "Twilio could not be reached; nothing was sent."
            raise TwilioError(message) from error
        message = "Twilio did not answer in time."
        raise TwilioError(message, maybe_done=True) from error
    except ValueError as error:
        raise unreadable_answer() from error


def unreadable_answer() -> TwilioError:
    return TwilioError("Twilio's answer could not be understood.", maybe_done=True)


def error_from_response(
    status: int | None, code: int | None, headers: Any
) -> TwilioError:
    """Convert an error response to a TwilioError.

    status: HTTP status. code: Twilio's error code. headers: may have Retry-After.
    Twilio's own message is not used: it can contain the called number.
    """
    # The SDK uses the HTTP status as the code if Twilio sent none.
    code = None if code == status else code
    if fault := account_fault(status, code):
        return fault
    if status == requests.codes.too_many_requests:
        wait = retry_after_seconds((headers or {}).get("Retry-After"))
        message = "Twilio is busy with our earlier requests and rejected this one."
        return TwilioError(message, retry_after=wait, code=code)
    if status and status < 400:
        message = (
            f"We got a redirect (HTTP status {status}) instead of Twilio's answer. "
            "Check TWILIO_API_URL, and whether this machine uses a proxy."
        )
        return TwilioError(message, maybe_done=True, code=code)
    if status is None or status >= 500:
        message = "Twilio answered with an internal error."
        return TwilioError(message, maybe_done=True, code=code)
    if code is None:
        return TwilioError(f"Twilio refused: HTTP status {status}.", permanent=True)
    reason = REFUSALS.get(code, f"See twilio.com/docs/api/errors/{code}.")
    return TwilioError(
        f"Twilio refused (error {code}): {reason}", permanent=True, code=code
    )


def account_fault(status: int | None, code: int | None) -> TwilioError | None:
    """Return an error with account=True if our account or API key is the cause.

    Return None if only this request is the cause.
    """
    if code in ACCOUNT_FAULTS:
        message = f"Twilio refused (error {code}): {ACCOUNT_FAULTS[code]}"
        return TwilioError(message, permanent=True, account=True, code=code)
    if status == requests.codes.unauthorized or code == 20003:
        return refused_credentials(credentials_message())
    # A 403 without a code is a fault of the account only if we use an API key: the key
    # may lack a permission. The auth token has all permissions.
    has_reason = code or settings.TWILIO_API_KEY
    if status == requests.codes.forbidden and has_reason and code not in REFUSALS:
        number = f"error {code}" if code else f"HTTP status {status}"
        message = f"Twilio refused: {number}. {NOT_ALLOWED}"
        return TwilioError(message, permanent=True, account=True, code=code)
    return None


def refused_credentials(message: str) -> TwilioError:
    # Use 401 as the code, not Twilio's 20003. Only after a 401 does
    # `VendorPause.objects.start` pause requests of every kind.
    code = requests.codes.unauthorized
    return TwilioError(message, permanent=True, account=True, code=code)


def credentials_message() -> str:
    """Return a message that says which settings to check.

    The message names our region: Twilio refuses keys and tokens of another region.
    """
    region, setting = settings.TWILIO_REGION or "us1", "TWILIO_REGION"
    place = f"the region {region}"
    host = split_url(settings.TWILIO_API_URL).hostname
    if host != "api.twilio.com":
        place, setting = str(host), "TWILIO_API_URL"
    message = API_KEY if settings.TWILIO_API_KEY else CREDENTIALS
    return message + REGION.format(place=place, setting=setting)


def code_in(body: str) -> int | None:
    """Return Twilio's error code from the start of a JSON or XML body, or None."""
    found = CODE.search(body[:2000])
    return int(found[1] or found[2]) if found else None
