"""Run the worker: transcribe, notify, queue overdue work, delete what has expired.

If a worker dies, the sweep (worker/maintenance.py) of another worker finds the
unfinished calls and transcripts in the database.
"""

import signal
import threading
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from djtranscribe import zones
from djtranscribe.database import close_connections, share_connections
from djtranscribe.vendors.deadlines import MAX_CONNECTIONS
from djtranscribe.worker.engines import engine
from djtranscribe.worker.loops import Loop
from djtranscribe.worker.maintenance import run_maintenance, run_pruning
from djtranscribe.worker.waking import Wakeups
from transcription import leases
from transcription.models import Batch, Notification
from transcription.notifications import delivery
from transcription.vocabulary import past_transcripts

CONCURRENCY = 32
STOP_SECONDS = 16  # how long a stopping worker waits for each helper thread


class Command(BaseCommand):
    help = (
        "Fetch recordings, transcribe them, send notifications, retry lost work, and "
        "delete expired data. Run one or more workers, on any machine that reaches the "
        "database and the recordings. After Ctrl-C or SIGTERM, a worker finishes its "
        "current work and exits."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency",
            "--threads",
            type=int,
            default=CONCURRENCY,
            metavar="N",
            help="How many transcripts are worked on at once, at most "
            f"{MAX_CONNECTIONS} (default: %(default)s). Most of the time they wait "
            "for Twilio or AssemblyAI.",
        )

    def handle(self, *, concurrency: int, **options: Any) -> None:
        if not 1 <= concurrency <= MAX_CONNECTIONS:
            raise CommandError(f"--concurrency must be 1 to {MAX_CONNECTIONS}.")
        stopping = threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: stopping.set())
        share_connections()
        wakeups = Wakeups(stopping)
        queue = engine()
        queue.start(concurrency, wakeups, stopping)
        loops = helpers(wakeups, stopping)
        for thread in (wakeups, *loops):
            thread.start()
        self.stdout.write(
            f"Worker ready: up to {concurrency} tasks at once. Ctrl-C stops it."
        )
        self.stdout.write(f"Times are in {zones.label()}.")
        self.stdout.flush()
        run_maintenance(stopping)
        leases.stop_counting_kills()
        self.stdout.write("Stopping. Finishing the current work.")
        wakeups.wake()
        queue.finish()
        for loop in loops:
            # An e-mail or a deletion may take longer. Do not wait for it: a worker
            # repeats it later.
            loop.join(STOP_SECONDS)
        close_connections()


def helpers(wakeups: Wakeups, stopping: threading.Event) -> list[threading.Thread]:
    """Return the threads for work that is not in the queue.

    Each kind of notification has its own thread: a webhook receiver that hangs must
    not delay e-mails.
    """
    loops = [
        Loop(
            f"notify-{kind}",
            partial(delivery.deliver, kind, stopping.is_set),
            stopping,
            wakeups.subscribe(Notification._meta.db_table),
        )
        for kind in Notification.enabled_kinds()
    ]
    corrections = wakeups.subscribe(Batch._meta.db_table)
    return [
        *loops,
        Loop("correct", past_transcripts.continue_batch, stopping, corrections),
        threading.Thread(
            target=run_pruning, args=[stopping], name="prune", daemon=True
        ),
    ]
