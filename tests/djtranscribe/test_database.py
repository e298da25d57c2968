"""Workers (without a pooler) and webhooks prepare repeated statements. Pages do not."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from tests.caller.rows import a_call, deliveries
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.waiting import free_port, is_open, until
from tests.postgresql import SERVER, url_of
from tests.processes import environment, shell
from tests.threads import needs_connections

CONFIG = """
[databases]
* = host={server.hostname} port={server.port} user={server.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""
# Repeat a statement on a connection of a worker. Print how many are prepared there.
REPEAT = """
from django.db import connection
from caller.models import Call
from djtranscribe.database import share_connections
share_connections()
for number in range(10):
    Call.objects.filter(pk=number).exists()
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_prepared_statements")
    print(cursor.fetchone()[0])
"""
# Read rows one by one. After the first row, another transaction takes the connection
# that PgBouncer used for it. Print how many rows were read.
ITERATE = """
from django.contrib.auth.models import Permission
from django.db import connections
rows = Permission.objects.iterator(chunk_size=1)
next(rows)
other = connections.create_connection("default")
other.set_autocommit(False)
other.cursor().execute("SELECT 1")
print(1 + len(list(rows)))
other.close()
"""


@contextmanager
def pgbouncer():
    """Run PgBouncer in front of the server. Yield its URL."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        skip_or_fail_in_ci("there is no pgbouncer here")
    server, port = urlsplit(SERVER), free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as config:
        config.write(CONFIG.format(server=server, port=port))
        config.flush()
        # Let the user nobody read the file, because PgBouncer refuses to run as root.
        os.chmod(config.name, 0o644)
        options = ["-u", "nobody"] if os.getuid() == 0 else []
        process = subprocess.Popen([program, "-q", *options, config.name])
        try:
            until("PgBouncer listens", lambda: is_open(port) or process.poll())
            yield server._replace(netloc=f"{server.username}@127.0.0.1:{port}").geturl()
        finally:
            process.kill()
            process.wait()


@needs_connections
@pytest.mark.sql
def test_worker_prepares_statements_unless_it_uses_a_pooler(
    transactional_db, settings, tmp_path
):
    name = settings.DATABASES["default"]["NAME"]

    def prepared(server):
        environ = environment(tmp_path, DATABASE_URL=url_of(name, server))
        return int(shell(environ, REPEAT))

    with pgbouncer() as pooler:
        assert prepared(SERVER) > 0
        assert prepared(pooler) == 0


@needs_connections
@pytest.mark.sql
def test_a_pooler_may_change_the_connection_while_rows_are_read(
    transactional_db, settings, tmp_path
):
    with pgbouncer() as pooler:
        url = url_of(settings.DATABASES["default"]["NAME"], pooler)
        read = shell(environment(tmp_path, DATABASE_URL=url), ITERATE)

    assert int(read) == Permission.objects.count()


@needs_connections
@pytest.mark.sql
def test_webhooks_prepare_statements_and_pages_do_not(
    transactional_db, signed_post, browser
):
    def prepared():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
            return cursor.fetchone()[0]

    call = a_call()
    for _ in range(10):
        signed_post(*deliveries(call)[0])
    by_webhooks = prepared()
    for _ in range(10):
        browser.get("/")

    assert prepared() == by_webhooks > 0
