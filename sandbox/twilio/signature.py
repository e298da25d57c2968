"""X-Twilio-Signature, written from Twilio's description, not with Twilio's SDK.

The product checks with the SDK: were both the same code, a fault in it would not show.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def sign(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """``url`` in full, with its query; ``params`` of a POST form, empty for a GET."""
    text = url + "".join(name + params[name] for name in sorted(params))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
