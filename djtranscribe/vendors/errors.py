import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError


class VendorError(Exception):
    """What went wrong between us and a vendor, in words fit for an operator's screen.

    permanent: trying the same again cannot help.
    account: a fault of our account (key, balance), not of this one piece of work.
    maybe_done: no usable answer came, so the vendor may have done what we asked.
    retry_after: seconds that the vendor told us to wait, or None.
    code: the vendor's own number for the fault, or None.
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


def our_fault(error: Exception) -> VendorError:
    """For the row of a piece of work that a fault of our own stopped: tried again."""
    message = "A fault of djtranscribe itself; the worker's log has it"
    return VendorError(f"{message} ({type(error).__name__}).")


def retry_after_seconds(value: str | None) -> float | None:
    """A Retry-After header in seconds; our vendors do not use its date form."""
    return float(value) if value and value.isascii() and value.isdigit() else None


def never_sent(error: requests.RequestException) -> bool:
    """Whether the request failed before a byte of it left: then it may be repeated."""
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ConnectTimeout) or (
        isinstance(cause, MaxRetryError)
        and isinstance(cause.reason, (NewConnectionError, ConnectTimeoutError))
    )
