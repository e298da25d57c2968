"""Starting and stopping: options, settings of the tiny Django, signals, the parent."""

import argparse
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

# Taken at once: if the parent dies while we start, it must not look like our parent.
PARENT = os.getppid()


def parser(name: str, description: str, port: int) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog=f"python -m sandbox.{name}", description=description
    )
    options.add_argument(
        "--port", type=int, default=port, help="on 127.0.0.1 (default: %(default)s)"
    )
    options.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="multiplies every wait: 1 is lifelike, 0 as fast as possible (default: 1)",
    )
    options.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="exit when the process that started this one is gone",
    )
    return options


def configure_django(urlconf: str, templates: Path) -> None:
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=urlconf,
        # Loopback names only: a web page elsewhere can't reach us by DNS rebinding.
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        SECRET_KEY=secrets.token_hex(),
        APPEND_SLASH=False,
        # It sets Content-Length, without which every answer would close its connection.
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        USE_TZ=True,
        TIME_ZONE="UTC",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [templates, Path(__file__).parent / "templates"],
            }
        ],
        LOGGING_CONFIG=None,
    )
    import django

    django.setup()
    # Refusals are this program's work, not its faults.
    logging.getLogger("django.request").setLevel(logging.ERROR)


def serve(
    name: str,
    options: argparse.Namespace,
    *,
    ready: Callable[[str], None],
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal, or until the parent is gone; then exit, at once.

    ``ready`` gets the address before the first request does; ``stop`` ends what the
    stand-in itself started. Port 0 takes any free one.
    """
    from django.core.wsgi import get_wsgi_application

    from sandbox.web.server import Handler, Server

    try:
        server = Server(("127.0.0.1", options.port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        print(
            f"{name}: can't listen on port {options.port} ({reason}): "
            "choose another with --port",
            file=sys.stderr,
        )
        stop()
        sys.exit(2)
    server.set_app(get_wsgi_application())
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    if options.exit_with_parent:
        threading.Thread(target=_watch_parent, args=(done,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    ready(address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{name} ready on {address}/", flush=True)
    done.wait()
    server.socket.close()
    stop()
    sys.stdout.flush()
    # Not sys.exit: that would wait for threads that are amid a call or a callback.
    os._exit(0)


def _watch_parent(done: threading.Event) -> None:
    # Polled, since PR_SET_PDEATHSIG is Linux only and goes by thread, not by process.
    while os.getppid() == PARENT:
        time.sleep(0.2)
    done.set()
