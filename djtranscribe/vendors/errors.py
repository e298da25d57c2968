import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

DAY_SECONDS = 86_400.0


class VendorError(Exception):
    """A request to a vendor failed. The message is written for operators.

    permanent: a retry cannot help.
    account: the cause is our account or settings (key, balance), not this request.
        Also true for a rate limit of AssemblyAI: then retry_after is set.
    maybe_done: the response was lost, so the vendor may have done what we asked.
    retry_after: seconds that the vendor asked us to wait, or None.
    code: Twilio's error number, an HTTP or SMTP status, or None.
    """

    vendor = ""

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        account: bool = False,
        maybe_done: bool = False,
        retry_after: float | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.account = account
        self.maybe_done = maybe_done
        self.retry_after = retry_after
        self.code = code


def internal_error(error: Exception) -> VendorError:
    """Return the VendorError to store when a bug in our code has stopped some work."""
    message = "An error in djtranscribe itself; see the worker's log"
    return VendorError(f"{message} ({type(error).__name__}).")


def retry_after_seconds(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header, at most a day.

    Return None if the header is missing or has a date. Our vendors do not send dates.
    """
    if not (value and value.isascii() and value.isdigit()):
        return None
    return min(float(value), DAY_SECONDS)


def never_sent(error: requests.RequestException) -> bool:
    """Return whether nothing was sent before the failure, so that a retry is safe."""
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ConnectTimeout) or (
        isinstance(cause, MaxRetryError)
        and isinstance(cause.reason, (NewConnectionError, ConnectTimeoutError))
    )
