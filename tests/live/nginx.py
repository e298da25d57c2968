"""Run Debian's nginx in front of gunicorn, with the site under a path."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.waiting import is_open, until

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
needs_nginx = pytest.mark.skipif(not NGINX, reason="there is no nginx here")

CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    # Another site on the same host.
    location / {{ return 404 "outside the path"; }}
    location {prefix}/ {{
      proxy_pass http://127.0.0.1:{inner}{rest};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto {scheme};
      {more}
    }}
  }}
}}
"""


@contextmanager
def nginx(
    folder: Path,
    port: int,
    inner: int,
    prefix: str,
    strips: bool,
    more: str = "",
    scheme: str = "http",
) -> Iterator[None]:
    """Serve 127.0.0.1:inner at 127.0.0.1:port under the prefix.

    strips: whether nginx removes the prefix from the path that it passes on.
    more: further directives of the location.
    """
    config = folder / "nginx.conf"
    rest = "/" if strips else ""
    config.write_text(
        CONFIG.format(
            folder=folder,
            port=port,
            inner=inner,
            prefix=prefix,
            rest=rest,
            more=more,
            scheme=scheme,
        )
    )
    # Set the log with -e, because only root may write to Debian's default log.
    command = [str(NGINX), "-e", str(folder / "start.log"), "-c", str(config)]
    process = subprocess.Popen([*command, "-p", str(folder)])
    try:
        until("nginx listens", lambda: is_open(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "start.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
