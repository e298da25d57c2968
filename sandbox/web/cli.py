"""Start a stand-in for a vendor, and stop it on a signal or if its parent has ended."""

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

# Read the id at import, because getppid() changes if the parent dies while we start.
PARENT = os.getppid()
# How often to look whether to stop.
POLL_SECONDS = 0.2


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
        help="multiplies every wait: 1 is realistic, 0 is fastest (default: 1)",
    )
    options.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="exit when the process that started this one has ended",
    )
    return options


def configure_django(urlconf: str, templates: Path) -> None:
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=urlconf,
        # Allow only names of this machine, to prevent DNS rebinding by other web pages.
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        SECRET_KEY=secrets.token_hex(),
        APPEND_SLASH=False,
        # CommonMiddleware sets Content-Length. Without this header, every response
        # would close the connection.
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
    # Do not log 4xx responses as warnings: a stand-in refuses requests on purpose.
    logging.getLogger("django.request").setLevel(logging.ERROR)


def serve(
    name: str,
    options: argparse.Namespace,
    *,
    ready: Callable[[str], None],
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then exit immediately.

    - --port 0: use any free port.
    - --exit-with-parent: also exit when the parent process has ended.
    - ``ready`` is called with the stand-in's URL before the first request.
    - ``stop`` is called at the end, to clean up.
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
    # Not a threading.Event, because its lock could block the signal handler forever.
    done: list[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.append(True))
    if options.exit_with_parent:
        threading.Thread(target=_watch_parent, args=(done,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    ready(address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{name} ready on {address}/", flush=True)
    # Do not wait without a limit: if another thread gets the signal, nothing would wake
    # this thread, and only this thread runs the handler.
    while not done:
        time.sleep(POLL_SECONDS)
    server.socket.close()
    stop()
    sys.stdout.flush()
    # Exit at once, even if threads are in the middle of a call or a callback.
    os._exit(0)


def _watch_parent(done: list[bool]) -> None:
    # Do not use PR_SET_PDEATHSIG: it exists only on Linux, and it also sends its signal
    # when only the thread that started us ends.
    while os.getppid() == PARENT:
        time.sleep(POLL_SECONDS)
    done.append(True)
