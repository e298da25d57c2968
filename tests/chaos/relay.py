"""A TCP connection to a server, that can be cut and refused."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes bytes between those who connect to `port` and a server."""

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.open: set[socket.socket] = set()
        self.listener = self._listen(0)
        self.port: int = self.listener.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self.server)
                self.open |= {client, server}
                for source, target in ((client, server), (server, client)):
                    passing = threading.Thread(
                        target=self._pass, args=[source, target], daemon=True
                    )
                    passing.start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            self.open.discard(each)
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Cut every connection and refuse new ones, as a server that is stopped."""
        self.close()
        try:
            yield
        finally:
            self.listener = self._listen(self.port)

    def close(self) -> None:
        with suppress(OSError):
            # Closing alone would not end `accept`.
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in list(self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
