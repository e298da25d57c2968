"""The connection to Twilio's REST API: URL, credentials, HTTP transport."""

import logging
from functools import lru_cache
from typing import Any

from django.conf import settings
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from caller.twilio.errors import CREDENTIALS, INCOMPLETE_API_KEY, refused_credentials
from djtranscribe.vendors.deadlines import LimitedSession

REAL_API = "https://api.twilio.com"
# Time limits: (to connect, to read). The whole response must arrive within the sum of
# both. For audio, which is a stream, only the headers must arrive within this time.
TIMEOUT_SECONDS = (3.05, 15)
# The default of TWILIO_EDGE for each region. Example: api.dublin.ie1.twilio.com.
# Twilio switched off hosts without an edge (api.ie1.twilio.com) on 28 April 2026:
# twilio.com/docs/global-infrastructure/edge-locations/legacy-regions
EDGES = {"au1": "sydney", "ie1": "dublin", "jp1": "tokyo", "us1": "ashburn"}


class Transport(HttpClient):  # type: ignore[misc]
    """HTTP client with a timeout. The SDK's client has none and is not thread-safe."""

    def __init__(self, address: str) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), False, None)
        self.address = address
        self.session = LimitedSession(sum(TIMEOUT_SECONDS), address)

    def request(
        self,
        method: str,
        uri: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: Any = None,
        allow_redirects: bool = False,
    ) -> Response:
        answer = self.session.request(
            method,
            uri.replace(REAL_API, self.address, 1),
            params=params,
            data=data,
            headers=headers,
            auth=auth,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=allow_redirects,
        )
        return Response(answer.status_code, answer.text, answer.headers)


def regional_url(region: str, edge: str) -> str:
    """Return the API's URL for a region and an edge. Either may be empty.

    If only the edge is empty, the region's edge in EDGES is used.
    """
    if not (region or edge):
        return REAL_API
    region = region or "us1"
    edge = edge or EDGES.get(region, "")
    host = ".".join(part for part in ("api", edge, region, "twilio.com") if part)
    return f"https://{host}"


def api_url() -> str:
    """Return the base URL of the API and of the audio, without a trailing slash."""
    address = settings.TWILIO_API_URL.rstrip("/")
    if address != REAL_API:
        return str(address)
    return regional_url(settings.TWILIO_REGION, settings.TWILIO_EDGE)


def credentials() -> tuple[str, str]:
    """Return user and password for REST and media requests.

    With an API key, these are the key and its secret. Without an API key, these are the
    account's SID and auth token.
    Raises TwilioError if a setting is missing.
    """
    key, secret = settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET
    if bool(key) != bool(secret):
        raise refused_credentials(INCOMPLETE_API_KEY)
    user, password = key or settings.TWILIO_ACCOUNT_SID, secret
    password = password or settings.TWILIO_AUTH_TOKEN
    if not (settings.TWILIO_ACCOUNT_SID and password):
        # Without these settings, the SDK would request paths such as /Accounts/None/.
        raise refused_credentials(CREDENTIALS)
    return user, password


@lru_cache(maxsize=4)
def _client(account_sid: str, user: str, password: str, address: str) -> Client:
    return Client(
        user,
        password,
        account_sid,
        http_client=Transport(address),
        # Without these empty values, the SDK would read TWILIO_REGION itself and
        # override our URL.
        environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
    )


def client() -> Client:
    """Return the SDK's client for the current settings.

    Raises TwilioError, see `credentials`.
    """
    return _client(settings.TWILIO_ACCOUNT_SID, *credentials(), api_url())
