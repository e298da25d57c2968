"""How we reach Twilio's REST API: the address, the credentials, the HTTP transport."""

import logging
from functools import lru_cache
from typing import Any

import requests
from django.conf import settings
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from caller.twilio.errors import CREDENTIALS, HALF_A_KEY, refused_credentials
from djtranscribe.vendors.deadlines import LimitedAdapter

REAL_API = "https://api.twilio.com"
TIMEOUT_SECONDS = (
    3.05,
    15,
)  # to connect, between two bytes; in all, their sum
# Used if only TWILIO_REGION is set. The SDK's host without an edge, such as
# api.ie1.twilio.com, was switched off on 28 April 2026.
# twilio.com/docs/global-infrastructure/edge-locations/legacy-regions
EDGES = {"au1": "sydney", "ie1": "dublin", "jp1": "tokyo", "us1": "ashburn"}


class Transport(HttpClient):  # type: ignore[misc]
    """Twilio's own waits for ever, and shares its last answer between threads."""

    def __init__(self, address: str) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), False, None)
        self.address = address
        self.session = requests.Session()
        # A stand-in on this machine is never reached through a proxy.
        self.session.trust_env = address.startswith("https://")
        for scheme in ("https://", "http://"):
            adapter = LimitedAdapter(sum(TIMEOUT_SECONDS), pool_maxsize=16)
            self.session.mount(scheme, adapter)

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
    """Return the API's address for a region and an edge, either of which may be empty.

    Twilio's SDK builds the same host, except that we add the edge of a known region.
    """
    if not (region or edge):
        return REAL_API
    region = region or "us1"
    edge = edge or EDGES.get(region, "")
    host = ".".join(part for part in ("api", edge, region, "twilio.com") if part)
    return f"https://{host}"


def api_url() -> str:
    """Return the address of the API and of the recordings' audio, without a slash."""
    address = settings.TWILIO_API_URL.rstrip("/")
    if address != REAL_API:
        return str(address)
    return regional_url(settings.TWILIO_REGION, settings.TWILIO_EDGE)


def credentials() -> tuple[str, str]:
    """Return user and password of every REST and media request: the API key if set.

    Raises TwilioError if they are incomplete: half a key is refused, since falling
    back to the auth token would use what the operator wanted to stop using.
    """
    key, secret = settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET
    if bool(key) != bool(secret):
        raise refused_credentials(HALF_A_KEY)
    user, password = key or settings.TWILIO_ACCOUNT_SID, secret
    password = password or settings.TWILIO_AUTH_TOKEN
    if not (settings.TWILIO_ACCOUNT_SID and password):
        # The SDK would silently ask for /Accounts/None/ without a login.
        raise refused_credentials(CREDENTIALS)
    return user, password


@lru_cache(maxsize=4)
def _client(account_sid: str, user: str, password: str, address: str) -> Client:
    return Client(
        user,
        password,
        account_sid,
        http_client=Transport(address),
        # Else the SDK reads TWILIO_REGION itself and passes by the address above.
        environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
    )


def client() -> Client:
    """Return the SDK's client for the settings of now. Raises TwilioError."""
    return _client(settings.TWILIO_ACCOUNT_SID, *credentials(), api_url())
