"""A threaded WSGI server that can also inject faults.

It adds to Django's development server:
- chunked request bodies, which the `requests` library sends
- the request log
- faults. Each answer is built in memory first, so that a fault can truncate it.
"""

import io
import json
import os
import socket
import struct
import sys
import tempfile
import time
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from django.core.servers.basehttp import (
    ServerHandler,
    ThreadedWSGIServer,
    WSGIRequestHandler,
)

from sandbox.web import evidence

HTML_ERROR = (
    "<!DOCTYPE html><html><head><title>Error</title></head>"
    "<body><h1>We're sorry, but something went wrong.</h1></body></html>"
)
# Store larger bodies in a temporary file: a 200 MB upload must not fill the memory.
SPOOL_BYTES = 256 * 1024


class Server(ThreadedWSGIServer):
    # Django's default of 10 may refuse some of twenty simultaneous connections.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors, except those of clients that disconnected."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(WSGIRequestHandler):
    # hold_and_drop sets this to True: then the client gets no response.
    dropped = False

    @property
    def _socket(self) -> socket.socket:
        return cast(socket.socket, self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: _handle_logged prints each request, without the query."""

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        path = urlsplit(self.path).path
        if path.startswith("/_sandbox/"):
            with self._read_body() as body:
                self.wfile.write(self._run(body))
            return
        self._handle_logged(path)

    def _handle_logged(self, path: str) -> None:
        do = evidence.faults.take(self.command, path) or {}
        if "reset" in do or "hang" in do:
            entry = evidence.requests.add(self.command, self.path, self.headers, None)
            entry["fault"] = do
            time.sleep(float(do.get("hang") or 0))
            self._drop(reset="reset" in do)
            return
        with self._read_body() as body:
            entry = evidence.requests.add(self.command, self.path, self.headers, body)
            entry["fault"] = do or None
            canned = "status" in do or "html" in do
            answer = _canned(do) if canned else self._run(body)
        if self.dropped:
            entry["fault"] = {"no answer": True}
            self._drop(reset=False)
            return
        status = int(answer.split(b" ", 2)[1])
        entry["status"] = status
        print(f"{self.command} {path} {status}{' (fault)' if do else ''}", flush=True)
        self._send(answer, do)

    def _send(self, answer: bytes, do: dict[str, Any]) -> None:
        if "reset_after" in do:
            self._drop(reset=False)
            return
        if "hang_after" in do:
            time.sleep(float(do["hang_after"]))
        if "truncate" in do:
            head = answer.index(b"\r\n\r\n") + 4
            self.wfile.write(answer[: head + int(do["truncate"])])
            self._drop(reset=False)
            return
        self.wfile.write(answer)

    def _read_body(self) -> BinaryIO:
        """Read the whole body into a temporary file, and rewind it."""
        spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self._copy(spool, size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # skip the trailers
        else:
            self._copy(spool, int(self.headers.get("Content-Length") or 0))
        spool.seek(0)
        return cast(BinaryIO, spool)

    def _copy(self, spool: Any, size: int) -> None:
        while size:
            chunk = self.rfile.read(min(size, 65536))
            if not chunk:
                raise ConnectionError("the client disconnected while sending the body")
            spool.write(chunk)
            size -= len(chunk)

    def _run(self, body: BinaryIO) -> bytes:
        answer = io.BytesIO()
        environ = self.get_environ()
        # A chunked request has no Content-Length. The body is read, so set its size.
        environ["CONTENT_LENGTH"] = str(body.seek(0, os.SEEK_END))
        body.seek(0)
        self.dropped = False
        # A view calls hold_and_drop of this handler.
        environ["sandbox.handler"] = self  # type: ignore[assignment]
        handler = ServerHandler(body, answer, self.get_stderr(), environ)
        handler.request_handler = self  # type: ignore[attr-defined]
        handler.run(self.server.get_app())  # type: ignore[attr-defined]
        return answer.getvalue()

    def hold_and_drop(self, seconds: float) -> None:
        """Send no response. Return when the client disconnects or the time is over."""
        self.dropped = True
        deadline = time.monotonic() + seconds
        self._socket.settimeout(0.2)
        while time.monotonic() < deadline:
            try:
                if not self._socket.recv(1, socket.MSG_PEEK):
                    return
                time.sleep(0.2)
            except TimeoutError:
                continue
            except OSError:
                return

    def _drop(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # With linger 0, close sends RST instead of FIN. Detach the socket first,
            # because rfile would keep it open.
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self._socket.detach())


def _canned(do: dict[str, Any]) -> bytes:
    body = do.get("body", "")
    kind = "application/json"
    if "html" in do:
        body, kind = body or HTML_ERROR, "text/html; charset=utf-8"
    if not isinstance(body, str):
        body = json.dumps(body)
    headers = {"Content-Type": kind, **do.get("headers", {})}
    data = body.encode()
    lines = [f"HTTP/1.1 {int(do.get('status', 200))} Fault"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data
