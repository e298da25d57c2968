"""Total time and size limits for outgoing connections.

In the libraries requests and smtplib, a timeout applies to a single read. A server that
sends single bytes slowly could block a thread forever. So a second thread shuts the
socket down when the total time is over.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from djtranscribe.database import release_connection
from djtranscribe.tracing import span
from djtranscribe.vendors.errors import never_sent

# Keep at most this many connections to one host open. This is also the maximum of the
# worker's --concurrency, so that each thread can reuse a connection.
MAX_CONNECTIONS = 128
CHUNK_BYTES = 64 * 1024
# Time limit for CHUNK_BYTES of a streamed response. So at least 2 kB/s must arrive.
CHUNK_SECONDS = 30
# Limit for streamed responses. They are audio that is later sent to AssemblyAI, which
# does not accept larger files.
MAX_STREAM_BYTES = 5 * 1024**3
# Limit for responses that are not streamed. The JSON of a transcript with a day
# of speech has about 30 MB.
MAX_BODY_BYTES = 128 * 1024**2

_local = threading.local()


class AnswerTooLarge(requests.RequestException):
    """The body of the response is larger than the limit."""


class TimeLimit:
    """Shut down the watched sockets after `seconds` and set `expired`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self.sockets: list[socket.socket] = []
        self.copies: list[socket.socket] = []
        self.ends_at = time.monotonic() + seconds
        self.over = threading.Event()
        threading.Thread(target=self._wait, name="time-limit", daemon=True).start()

    def restart(self) -> None:
        self.ends_at = time.monotonic() + self.seconds

    def watch(self, sock: socket.socket) -> None:
        self.sockets.append(sock)
        if self.expired:
            shut_down(sock)

    def end(self) -> None:
        self.over.set()
        for copy in self.copies:
            copy.close()

    def _wait(self) -> None:
        while not self.over.wait(max(0, self.ends_at - time.monotonic())):
            if time.monotonic() >= self.ends_at:
                self.expired = True
                for sock in list(self.sockets):
                    shut_down(sock)
                return


def shut_down(sock: socket.socket) -> None:
    with suppress(OSError):
        # Do not call SSLSocket.shutdown: it would also remove the socket's TLS object.
        # Another thread perhaps still reads with this object.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


@contextmanager
def time_limit(seconds: float) -> Iterator[TimeLimit]:
    """Context manager: limit the total time of the requests in the `with` block.

    When the time is over, the sockets of this thread are shut down (see `watch`). After
    that, a body may end early without an error. So check `expired`.
    """
    limit, outer = TimeLimit(seconds), getattr(_local, "limit", None)
    _local.limit = limit
    try:
        yield limit
    finally:
        limit.end()
        _local.limit = outer


def watch(sock: socket.socket | None) -> None:
    """If this thread has a time limit, apply the limit to this socket, too."""
    limit: TimeLimit | None = getattr(_local, "limit", None)
    if limit and sock:
        limit.watch(sock)


def watch_new(sock: socket.socket) -> None:
    """If this thread has a time limit, apply the limit to this new socket, too.

    Watch a copy of the socket: for TLS, Python moves the connection to another socket
    object. After that, the original socket cannot shut down the connection.
    """
    limit: TimeLimit | None = getattr(_local, "limit", None)
    if limit:
        copy = sock.dup()
        limit.copies.append(copy)
        limit.watch(copy)


class _WatchMixin:
    sock: Any

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        watch_new(sock)
        return sock

    def request(self, *args: Any, **options: Any) -> None:
        # A reused connection is from an earlier request. Apply this request's limit.
        watch(self.sock)
        super().request(*args, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        sock = self.sock
        answer: Any = super().getresponse()  # type: ignore[misc]
        answer.watched_socket = sock
        return answer


class _WatchedConnection(_WatchMixin, HTTPConnection):
    pass


class _WatchedTLSConnection(_WatchMixin, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLSConnection


class LimitedAdapter(HTTPAdapter):
    """HTTP adapter: the whole response must arrive within `seconds`.

    - stream=True: only the headers must arrive in this time. Read the body with
      `chunks`.
    - Streamed request body: the time starts again with each piece that is sent.
    Before a request, the thread gives its database connection back to the pool (see
    `release_connection`). Raises requests.ReadTimeout and AnswerTooLarge.
    """

    def __init__(self, seconds: float, **options: Any) -> None:
        self.seconds = seconds
        super().__init__(pool_maxsize=MAX_CONNECTIONS, **options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _use_watched_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        return _use_watched_pools(super().proxy_manager_for(*args, **options))

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, stream: bool = False, **options: Any
    ) -> requests.Response:
        release_connection()
        method, host = request.method or "", urlsplit(request.url or "").hostname or ""
        attributes = {"http.request.method": method, "server.address": host}
        with span(f"{method} {host}", "CLIENT", attributes) as made:
            answer = self._send(request, stream, **options)
            made.set_attribute("http.response.status_code", answer.status_code)
        return answer

    def _send(
        self, request: requests.PreparedRequest, stream: bool, **options: Any
    ) -> requests.Response:
        with time_limit(self.seconds) as limit:
            body: Any = request.body
            if body is not None and not isinstance(body, str | bytes):
                request.body = _Upload(body, limit)  # type: ignore[assignment]
            try:
                answer = super().send(request, stream=True, **options)
                if answer.is_redirect:
                    # Do not read the body of a redirect, because nobody needs it.
                    _set_body(answer, b"")
                    answer.raw.close()
                elif not stream:
                    _set_body(answer, _read_body(answer))
            except requests.RequestException as error:
                if limit.expired and not never_sent(error):
                    raise requests.ReadTimeout(request=request) from error
                raise
            finally:
                request.body = body
        if limit.expired:
            answer.close()
            raise requests.ReadTimeout(request=request)
        return answer


class LimitedSession(requests.Session):
    """Session that sends all requests with LimitedAdapter.

    server: the URL of a vendor. An http:// URL is a server on this machine, such as
    `manage.py sandbox`, so no proxy is used. None: the requests go to any server.
    """

    def __init__(self, seconds: float, server: str | None = None) -> None:
        super().__init__()
        self.trust_env = server is None or server.startswith("https://")
        for scheme in ("https://", "http://"):
            self.mount(scheme, LimitedAdapter(seconds))


class _Upload:
    """A streamed request body. Each piece that is sent restarts the time limit."""

    def __init__(self, body: Any, limit: TimeLimit) -> None:
        self.body, self.limit = body, limit
        if hasattr(body, "read"):
            self.read = self._read

    def _read(self, size: int = -1) -> Any:
        piece = self.body.read(size)
        self.limit.restart()
        return piece

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.body:
            self.limit.restart()
            yield piece


def _use_watched_pools(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}
    return manager


def _read_body(answer: requests.Response) -> bytes:
    body = bytearray()
    for piece in answer.iter_content(CHUNK_BYTES):
        body += piece
        if len(body) > MAX_BODY_BYTES:
            answer.close()
            raise AnswerTooLarge(response=answer)
    return bytes(body)


def _set_body(answer: Any, body: bytes) -> None:
    answer._content, answer._content_consumed = body, True


def chunks(answer: requests.Response) -> Iterator[bytes]:
    """Yield the body of a streamed response in chunks.

    Raises requests.ReadTimeout if less than 2 kB/s arrive, and AnswerTooLarge if the
    body is larger than MAX_STREAM_BYTES.
    """
    pieces = answer.iter_content(CHUNK_BYTES)
    received, is_over = 0, False
    while not is_over:
        chunk = bytearray()
        with time_limit(CHUNK_SECONDS) as limit:
            watch(getattr(answer.raw, "watched_socket", None))
            # Collect pieces until a chunk is full: a piece may be as small as one byte.
            while len(chunk) < CHUNK_BYTES and not (limit.expired or is_over):
                piece = next(pieces, None)
                chunk += piece or b""
                is_over = piece is None
        if limit.expired:
            raise requests.ReadTimeout(request=answer.request)
        received += len(chunk)
        if received > MAX_STREAM_BYTES:
            raise AnswerTooLarge(response=answer)
        if chunk:
            yield bytes(chunk)
