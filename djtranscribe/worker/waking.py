"""Learn at once that there is work, without asking for it all the time.

On PostgreSQL, triggers send a notification when a row is added (migration 0009 of
djtranscribe). On SQLite, `PRAGMA data_version` tells that another connection has
changed something; it reads no table. sqlite.org/pragma.html#pragma_data_version
"""

import threading

import psycopg
from django.db import connection

from djtranscribe.worker.loops import log_and_reconnect

CHANNEL = "djtranscribe"
LOOK_SECONDS = 0.1  # at SQLite's version
LISTEN_SECONDS = 1  # until the next look whether to stop
AGAIN_SECONDS = 5  # after a lost connection


class Wakeups(threading.Thread):
    """Set the events of those who wait for a table, when rows are added to it."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__(name="wakeups", daemon=True)
        self.stopping = stopping
        self.events: dict[str, list[threading.Event]] = {}

    def subscribe(self, table: str) -> threading.Event:
        event = threading.Event()
        self.events.setdefault(table, []).append(event)
        return event

    def wake(self, table: str = "") -> None:
        """Wake those who wait for this table, or everybody."""
        for name, events in self.events.items():
            if table in ("", name):
                for event in events:
                    event.set()

    def run(self) -> None:
        watch = self.listen if connection.vendor == "postgresql" else self.look
        while not self.stopping.is_set():
            try:
                watch()
            except Exception as error:
                # Without it, everybody still looks for work now and then.
                log_and_reconnect("listen", error)
                self.stopping.wait(AGAIN_SECONDS)

    def listen(self) -> None:
        options = connection.get_connection_params()
        options.pop("pool", None)
        with psycopg.connect(**options, autocommit=True) as listener:
            listener.execute(f"LISTEN {CHANNEL}")
            # Whatever was added while nobody listened.
            self.wake()
            while not self.stopping.is_set():
                for note in listener.notifies(timeout=LISTEN_SECONDS):
                    self.wake(note.payload)

    def look(self) -> None:
        seen = 0
        with connection.cursor() as cursor:
            while not self.stopping.wait(LOOK_SECONDS):
                cursor.execute("PRAGMA data_version")
                (version,) = cursor.fetchone()
                if version != seen:
                    seen = version
                    self.wake()
