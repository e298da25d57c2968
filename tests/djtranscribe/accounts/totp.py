import base64
import hashlib
import hmac
import struct
import time


def totp(secret: str) -> str:
    """Return the code that an authenticator app shows now. RFC 6238"""
    counter = struct.pack(">Q", int(time.time() // 30))
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"
