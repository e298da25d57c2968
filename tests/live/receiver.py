"""Receivers of notifications over real sockets: for webhooks and for e-mails.

They accept messages, hang, or answer without end.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Request = tuple[dict[str, str], bytes]  # headers, body


@contextmanager
def receiver(port: int) -> Iterator[list[Request]]:
    """Accept all requests. Yield the list of received requests."""
    came: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def listening(port: int, take: Callable[[socket.socket], object]) -> Iterator[None]:
    """Listen on the port, and pass one connection after another to `take`."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    take(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def black_hole(port: int) -> Iterator[list[socket.socket]]:
    """Accept connections and never answer. Yield the list of connections."""
    taken: list[socket.socket] = []
    with listening(port, taken.append):
        yield taken
    for connection in taken:
        connection.close()


@contextmanager
def babbler(port: int, first: bytes, more: bytes, pause: float) -> Iterator[list[int]]:
    """Answer with `first`, then with `more` without end.

    Yield a list that gets a 1 for each request.
    """
    came: list[int] = []
    over = threading.Event()

    def babble(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            came.append(1)
            connection.sendall(first)
            while not over.wait(pause):
                connection.sendall(more)

    def take(connection: socket.socket) -> None:
        threading.Thread(target=babble, args=[connection], daemon=True).start()

    with listening(port, take):
        yield came
        over.set()


@contextmanager
def mail_server(port: int) -> Iterator[list[str]]:
    """Run a minimal SMTP server. Yield the list of received messages."""
    messages: list[str] = []

    def take(connection: socket.socket) -> None:
        with connection:
            talk(connection, messages)

    with listening(port, take):
        yield messages


def talk(connection: socket.socket, messages: list[str]) -> None:
    with connection.makefile("rwb", buffering=0) as wire:
        wire.write(b"220 ready\r\n")
        for line in wire:
            if line.upper().startswith(b"DATA"):
                wire.write(b"354 go on\r\n")
                lines = iter(wire.readline, b".\r\n")
                messages.append(b"".join(lines).decode())
            wire.write(b"221 bye\r\n" if line.startswith(b"quit") else b"250 ok\r\n")
