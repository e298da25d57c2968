"""Send Twilio's requests to webhooks: signed, with Twilio's timeouts and retries."""

import time
import uuid
from dataclasses import dataclass
from urllib.parse import parse_qs, urldefrag, urlencode, urljoin

import requests
from urllib3.exceptions import NewConnectionError

from sandbox.twilio.signature import sign
from sandbox.twilio.state import network
from sandbox.web import evidence

MAX_REDIRECTS = 10
USER_AGENT = "TwilioProxy/1.1 (sandbox stand-in)"


class WebhookError(Exception):
    """A webhook gave no usable response. ``code`` is Twilio's error code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass
class Overrides:
    """Twilio's connection overrides, from the URL's fragment. Times are in seconds.

    retry_on: "ct" (cannot connect), "rt" (no response), "4xx", "5xx" or "all".
    """

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0
    retries: int = 1
    retry_on: tuple[str, ...] = ("ct",)


def split_overrides(url: str) -> tuple[str, Overrides]:
    """Return the URL without its fragment, and the overrides in the fragment.

    Twilio neither sends nor signs the fragment.
    """
    plain, fragment = urldefrag(url)
    options = {name: values[-1] for name, values in parse_qs(fragment).items()}
    found = Overrides()
    try:
        found.connect = _bounded(options.get("ct"), 100, 10_000, found.connect)
        found.read = _bounded(options.get("rt"), 100, 15_000, found.read)
        found.total = _bounded(options.get("tt"), 100, 15_000, found.total)
        found.retries = min(5, max(0, int(options.get("rc", found.retries))))
    except ValueError:
        return plain, Overrides()
    if "rp" in options:
        found.retry_on = tuple(options["rp"].split(","))
    return plain, found


def _bounded(text: str | None, low: int, high: int, default: float) -> float:
    return min(high, max(low, int(text))) / 1000 if text else default


def send(method: str, url: str, params: dict[str, str]) -> requests.Response:
    """Send a request. Retry as the fragment of ``url`` says. Log each attempt.

    Return the response to the last attempt, even with status 500. Raises WebhookError
    if the last attempt got no response.
    """
    plain, overrides = split_overrides(url)
    token = str(uuid.uuid4())
    deadline = time.monotonic() + overrides.total
    attempt = 0
    while True:
        attempt += 1
        headers = {"I-Twilio-Idempotency-Token": token} if attempt > 1 else {}
        left = max(0.1, deadline - time.monotonic())
        timeout = (min(overrides.connect, left), min(overrides.read, left))
        try:
            failure, answer = _attempt(method, plain, params, headers, timeout)
        except WebhookError as error:
            evidence.postman.note(plain, params, attempt, error=str(error))
            raise
        evidence.postman.note(
            plain,
            params,
            attempt,
            status=answer.status_code if answer is not None else None,
            error=failure if answer is None else None,
        )
        kind = failure.split(":")[0]
        may_retry = kind and ("all" in overrides.retry_on or kind in overrides.retry_on)
        if not may_retry or attempt > overrides.retries or time.monotonic() > deadline:
            break
    if answer is None:
        raise WebhookError(11205 if kind == "ct" else 11200, failure)
    return answer


def _attempt(
    method: str,
    url: str,
    params: dict[str, str],
    headers: dict[str, str],
    timeout: tuple[float, float],
) -> tuple[str, requests.Response | None]:
    """Return (failure, response). Raises WebhookError for a wrong URL or redirect.

    failure: "", "4xx", "5xx", "ct: ..." or "rt: ...".
    """
    try:
        answer = _follow(method, url, params, headers, timeout)
    except requests.exceptions.ReadTimeout:
        return f"rt: no answer in time ({timeout[1]:g} s)", None
    except ValueError:  # also InvalidURL and InvalidSchema of requests
        raise WebhookError(11200, "invalid URL") from None
    except requests.exceptions.RequestException as error:
        if _never_connected(error):
            return "ct: can't connect", None
        return f"rt: the connection broke ({type(error).__name__})", None
    if answer.status_code >= 500:
        return "5xx", answer
    return ("4xx" if answer.status_code >= 400 else ""), answer


def _never_connected(error: requests.RequestException) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)


def _follow(
    method: str,
    url: str,
    params: dict[str, str],
    headers: dict[str, str],
    timeout: tuple[float, float],
) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # ignore proxies and .netrc
        for _ in range(MAX_REDIRECTS + 1):
            form = params if method == "POST" else {}
            target = url
            if method == "GET" and params:
                target += ("&" if "?" in url else "?") + urlencode(params)
            answer = session.request(
                method,
                target,
                data=form or None,
                headers={
                    "User-Agent": USER_AGENT,
                    "Accept": "*/*",
                    "X-Twilio-Signature": sign(network.auth_token, target, form),
                    **headers,
                },
                timeout=timeout,
                allow_redirects=False,
            )
            if answer.status_code not in (301, 302, 303, 307, 308):
                return answer
            url = urljoin(url, answer.headers.get("Location", ""))
            if answer.status_code in (301, 302, 303):
                # On these redirects, Twilio sends a GET without the fields.
                method, params = "GET", {}
    raise WebhookError(11215, "more than 10 redirects")
