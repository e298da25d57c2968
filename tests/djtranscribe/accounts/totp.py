import base64
import hashlib
import hmac
import struct
import time


def totp(secret: str, codes_ago: int = 0) -> str:
    """Return a code of an authenticator app: the code that it shows now (RFC 6238).

    codes_ago: 1 returns the code before, and so on. The app changes it every 30 s.
    """
    counter = struct.pack(">Q", int(time.time() // 30) - codes_ago)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"
