"""Wake the threads of a worker when there is work, without constant queries.

On PostgreSQL, triggers call pg_notify when a table has new work (migration 0009 of
djtranscribe). On SQLite, `PRAGMA data_version` changes when another connection has
changed the database. This PRAGMA reads no table, see
sqlite.org/pragma.html#pragma_data_version
"""

import threading

import psycopg
from django.db import connection

from djtranscribe.worker.loops import log_and_reconnect

CHANNEL = "djtranscribe"
POLL_SECONDS = 0.1  # between two checks of data_version on SQLite
LISTEN_SECONDS = 1  # between two checks of `stopping`
RETRY_SECONDS = 5  # before a retry after a lost connection
# Wait this long before listening again, so that many notifications in a short time wake
# the threads only once.
SECONDS_BETWEEN_NOTIFICATIONS = 0.05


class Wakeups(threading.Thread):
    """Thread that wakes other threads when a table has new work.

    `subscribe` returns an event that is set when a table has new work. On SQLite, every
    change of the database sets the events of all tables.
    """

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__(name="wakeups", daemon=True)
        self.stopping = stopping
        self.events: dict[str, list[threading.Event]] = {}

    def subscribe(self, table: str) -> threading.Event:
        event = threading.Event()
        self.events.setdefault(table, []).append(event)
        return event

    def wake(self, table: str = "") -> None:
        """Set the events for this table. Without a table, set all events."""
        for name, events in self.events.items():
            if table in ("", name):
                for event in events:
                    event.set()

    def run(self) -> None:
        watch = (
            self.listen_postgresql
            if connection.vendor == "postgresql"
            else self.poll_sqlite
        )
        while not self.stopping.is_set():
            try:
                watch()
            except Exception as error:
                # Until the next try, each Loop still looks for work at least every
                # MAX_PAUSE seconds.
                log_and_reconnect("listen", error)
                self.stopping.wait(RETRY_SECONDS)

    def listen_postgresql(self) -> None:
        options = connection.get_connection_params()
        options.pop("pool", None)
        with psycopg.connect(**options, autocommit=True) as listener:
            listener.execute(f"LISTEN {CHANNEL}")
            # Rows may have been added before LISTEN: set all events.
            self.wake()
            while not self.stopping.wait(SECONDS_BETWEEN_NOTIFICATIONS):
                notes = listener.notifies(timeout=LISTEN_SECONDS, stop_after=1)
                for table in {note.payload for note in notes}:
                    self.wake(table)

    def poll_sqlite(self) -> None:
        seen = 0
        with connection.cursor() as cursor:
            while not self.stopping.wait(POLL_SECONDS):
                cursor.execute("PRAGMA data_version")
                (version,) = cursor.fetchone()
                if version != seen:
                    seen = version
                    self.wake()
