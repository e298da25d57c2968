"""A TCP relay to a server. It can cut connections and refuse new ones.

`python -m tests.chaos.relay 10.0.0.1 5432=7001 8000=7002` listens on ports 5432 and
8000 of this machine, and forwards to ports 7001 and 7002 of 10.0.0.1.
"""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle

Address = tuple[str, int]


class Relay:
    """Forwards each connection to a server. Several servers take turns."""

    def __init__(
        self, *servers: Address, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.servers = servers
        self.turns = cycle(servers)
        self.host = host
        self.open: set[socket.socket] = set()
        self.listener = self._listen(port)
        self.port: int = self.listener.getsockname()[1]

    @staticmethod
    def connect(server: Address) -> socket.socket:
        connection = socket.create_connection(server, timeout=2)
        connection.settimeout(None)
        return connection

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((self.host, port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(
                    target=self._connect, args=[client], daemon=True
                ).start()

    def _connect(self, client: socket.socket) -> None:
        for _ in self.servers:
            try:
                server = self.connect(next(self.turns))
            except OSError:
                continue
            self.open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(
                    target=self._pass, args=[source, target], daemon=True
                ).start()
            return
        client.close()

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
        """Cut every connection and refuse new ones, as if the server were stopped."""
        self.close()
        try:
            yield
        finally:
            self.listener = self._listen(self.port)

    def close(self) -> None:
        with suppress(OSError):
            # `close` alone would not end the `accept` of the other thread.
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in list(self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    there, *ports = sys.argv[1:]
    for pair in ports:
        port, target = map(int, pair.split("="))
        Relay((there, target), port=port)
    print("ready", flush=True)
    threading.Event().wait()
