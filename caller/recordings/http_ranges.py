"""HTTP range requests (RFC 9110, section 14), so that a browser can seek in audio.

Django's FileResponse does not support ranges. Packages that add ranges are no longer
maintained.
"""

import re
from collections.abc import Iterator
from typing import IO, cast

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)
BLOCK_BYTES = 64 * 1024


def range_response(request: HttpRequest, response: FileResponse) -> HttpResponseBase:
    """Return the byte range that the request asks for.

    Without a valid single range, return the whole response. A range that begins after
    the end of the file gets status 416.
    """
    response["Accept-Ranges"] = "bytes"
    wanted = RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None or wanted.group(0) == "bytes=-" or request.method != "GET":
        return response
    size = int(response["Content-Length"])
    first, last = wanted.groups()
    if first and last and int(last) < int(first):
        return response
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        response.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    part = StreamingHttpResponse(
        blocks(cast(IO[bytes], response.file_to_stream), start, end + 1 - start),
        status=206,
        headers={
            "Accept-Ranges": "bytes",
            "Content-Disposition": response["Content-Disposition"],
            "Content-Length": str(end + 1 - start),
            "Content-Range": f"bytes {start}-{end}/{size}",
            "Content-Type": response["Content-Type"],
        },
    )
    return part


def blocks(file: IO[bytes], start: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while length > 0 and (block := file.read(min(BLOCK_BYTES, length))):
            length -= len(block)
            yield block
