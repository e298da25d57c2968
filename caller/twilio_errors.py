"""What Twilio refuses and the network breaks, in words fit for an operator's screen.

twilio.com/docs/api/errors
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException

from djtranscribe.deadlines import AnswerTooLarge
from djtranscribe.errors import VendorError, never_sent, retry_after_seconds

NOT_FOUND = 20404
NOT_CALLABLE = "Twilio cannot call this number."
PERMISSION = (
    "This Twilio account has no permission to call that country. It is given in the "
    "Twilio console under Voice, Geographic Permissions."
)
OUR_NUMBER = (
    "Twilio does not know TWILIO_PHONE_NUMBER as a number of this account. Compare it "
    "with the Twilio console."
)
REFUSALS = {
    13224: NOT_CALLABLE,
    21205: "Twilio cannot use our address. Set BASE_URL to the https address of this "
    "site as the internet sees it.",
    21210: OUR_NUMBER,
    21211: NOT_CALLABLE,
    21212: OUR_NUMBER,
    21214: NOT_CALLABLE,
    21215: PERMISSION,
    21216: "This number is blocked for the Twilio account.",
    21217: NOT_CALLABLE,
    21219: "A trial account of Twilio may only call numbers verified in its console.",
    573005: "A trial account of Twilio may only call numbers verified in its console.",
}
CREDENTIALS = (
    "Twilio does not accept our credentials. Compare TWILIO_ACCOUNT_SID and "
    "TWILIO_AUTH_TOKEN with the Twilio console."
)


class TwilioError(VendorError):
    vendor = "twilio"


@contextmanager
def translated() -> Iterator[None]:
    """Whatever the SDK or the network throws becomes a TwilioError."""
    try:
        yield
    except TwilioRestException as error:
        raise refusal(error.status, error.code, None) from error
    except TwilioException as error:
        # Listings raise the base class, with the answer as their second argument.
        answer = error.args[1] if len(error.args) > 1 else None
        status = getattr(answer, "status_code", None) or getattr(error, "status", None)
        raise refusal(status, None, getattr(answer, "headers", None)) from error
    except AnswerTooLarge as error:
        raise not_understood() from error
    except requests.RequestException as error:
        if never_sent(error):
            message = "Twilio could not be reached; nothing was sent to it."
            raise TwilioError(message) from error
        message = "Twilio did not answer in time."
        raise TwilioError(message, maybe_done=True) from error
    except ValueError as error:
        raise not_understood() from error


def not_understood() -> TwilioError:
    return TwilioError("Twilio's answer could not be understood.", maybe_done=True)


def refusal(status: int | None, code: int | None, headers: Any) -> TwilioError:
    # The SDK puts the HTTP status where Twilio sent no code of its own. Twilio's
    # message is not repeated: it can hold the number that was called.
    code = None if code == status else code
    if status == requests.codes.unauthorized or code == 20003:
        return TwilioError(CREDENTIALS, permanent=True, account=True, code=code)
    if status == requests.codes.too_many_requests:
        wait = retry_after_seconds((headers or {}).get("Retry-After"))
        message = "Twilio is busy with our earlier requests and did not take this one."
        return TwilioError(message, retry_after=wait, code=code)
    if status is None or status >= 500 or status < 400:
        message = "Twilio answered with a fault of its own."
        return TwilioError(message, maybe_done=True, code=code)
    if code is None:
        return TwilioError(f"Twilio refused: HTTP status {status}.", permanent=True)
    reason = REFUSALS.get(code, f"See twilio.com/docs/api/errors/{code}.")
    return TwilioError(
        f"Twilio refused (error {code}): {reason}", permanent=True, code=code
    )
