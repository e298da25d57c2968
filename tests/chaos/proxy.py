"""A proxy between the product and the stand-in of a vendor.

It can stop a request or an answer at any byte, for example in the middle of an upload.
"""

import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Hold:
    """Where to stop one request or its answer, see `Proxy.hold`.

    taken: a request has matched. reached: that request, or its answer, is stopped.
    """

    request: re.Pattern[bytes]
    of_request: int | None
    of_answer: int | None
    reached: threading.Event = field(default_factory=threading.Event)
    taken: bool = False


class Proxy:
    def __init__(self, upstream: str) -> None:
        self.upstream = int(upstream.rsplit(":", 1)[1])
        self.holds: list[Hold] = []
        self.lock = threading.Lock()
        self.sockets: set[socket.socket] = set()
        self.port = 0
        self.plug_in()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold(
        self, request: str, *, of_request: int | None = None, of_answer: int | None = 0
    ) -> Hold:
        """Stop the next request that matches `request`, or its answer.

        - request: a regular expression, for example `POST /v2/upload`.
        - of_request: stop the request after this many bytes. None: stop the answer.
        - of_answer: stop the answer after this many bytes.
        """
        pattern = re.compile(request.encode())
        self.holds.append(Hold(pattern, of_request, of_answer))
        return self.holds[-1]

    def unplug(self) -> None:
        """Refuse new connections and break the open ones."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for each in self.sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def plug_in(self) -> None:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self._thread(self._accept, self.listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                vendor = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                return
            wire = Wire(self, client, vendor)
            self._thread(wire.carry_requests)
            self._thread(wire.carry_answers)

    @staticmethod
    def _thread(target, *args) -> None:
        threading.Thread(target=target, args=args, daemon=True).start()

    def take(self, head: bytes) -> Hold | None:
        with self.lock:
            for hold in self.holds:
                if not hold.taken and hold.request.match(head):
                    hold.taken = True
                    return hold
        return None


class Wire:
    def __init__(self, proxy: Proxy, client: socket.socket, vendor: socket.socket):
        self.proxy, self.client, self.vendor = proxy, client, vendor
        self.held: Hold | None = None
        with proxy.lock:
            proxy.sockets |= {client, vendor}

    def carry_requests(self) -> None:
        left: int | None = None
        with suppress(OSError):
            while data := self.client.recv(65536):
                # `take` needs the whole request line. Our clients send it in one piece.
                if self.held is None and (hold := self.proxy.take(data)):
                    self.held, left = hold, hold.of_request
                if left is not None:
                    data, left = data[:left], left - len(data[:left])
                self.vendor.sendall(data)
                if left == 0 and self.held:
                    self.held.reached.set()
                    self._until_the_client_is_gone()
                    break
        self._close(self.vendor, self.client)

    def carry_answers(self) -> None:
        left: int | None = None
        with suppress(OSError):
            while data := self.vendor.recv(65536):
                held = self.held
                if held and held.of_request is None:
                    left = held.of_answer if left is None else left
                    data, left = data[:left], left - len(data[:left])
                    self.client.sendall(data)
                    if left == 0:
                        held.reached.set()
                        return
                else:
                    self.client.sendall(data)
        self._close(self.client)

    def _until_the_client_is_gone(self) -> None:
        while self.client.recv(65536):
            pass

    def _close(self, *sockets: socket.socket) -> None:
        with self.proxy.lock:
            self.proxy.sockets -= set(sockets)
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
