"""Compute X-Twilio-Signature as Twilio's documentation says, without Twilio's SDK.

The product verifies signatures with the SDK, so tests compare the SDK with this code.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def sign(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """Sign a request. ``url`` includes the query. ``params`` is empty for a GET."""
    text = url + "".join(name + params[name] for name in sorted(params))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
