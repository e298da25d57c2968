"""Database connections and prepared statements of workers, webhooks and pages."""

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.utils import timezone

from caller.tasks import check_call
from tests.caller.conversations.rows import CHILD, a_conversation
from tests.caller.rows import (
    CALL,
    CALL_SID,
    CALLS,
    RECORDINGS,
    a_call,
    a_recording,
    deliveries,
)
from tests.chaos.environment import skip_or_fail_in_ci
from tests.chaos.waiting import free_port, is_open, until
from tests.data import load
from tests.postgresql import SERVER, url_of
from tests.processes import environment, shell
from tests.threads import needs_connections
from tests.transcription.notification import a_notification
from tests.transcription.rows import TRANSCRIPT, a_transcript, advanced
from transcription.notifications import delivery

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
# Repeat a query on a worker's connection. Print the number of prepared statements.
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
# Between two reads, PgBouncer gives the PostgreSQL connection of `rows` to `other`.
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


@needs_connections
@pytest.mark.sql
def test_worker_holds_no_connection_during_a_request(
    transactional_db, vendors, settings, monkeypatch
):
    """A thread must return its connection before it waits for another server.

    The threads of a worker share a few connections. If slow requests kept all of them,
    the other threads could not use the database.
    """
    # release_connection needs the key "pool". Django makes no pool from an empty dict.
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", {})
    held = {}

    def holds_connection():
        return connection.connection is not None

    def answers(method, url, body):
        def answer(request):
            held[url] = holds_connection()
            return 200, {}, json.dumps(body)

        vendors.add_callback(method, url, answer)

    child = load("twilio/call", sid=CHILD["CallSid"], parent_call_sid=CALL_SID)
    answers("GET", CALL, load("twilio/call", status="completed"))
    answers("GET", CALLS, load("twilio/calls", calls=[child]))
    answers("GET", RECORDINGS, load("twilio/recordings"))
    due = {"sid": CALL_SID, "next_check_at": timezone.now()}
    check_call.call(a_conversation({"status": "ringing"}, **due).pk)

    answers("GET", TRANSCRIPT, load("assemblyai/list"))
    answers("POST", TRANSCRIPT, load("assemblyai/queued"))
    ada = User.objects.create_user("ada", "ada@example.com")
    call = a_call(other_number="+14155551235", requested_by=ada)
    transcript = a_transcript("lost", recording=a_recording(call=call))
    advanced(transcript)

    settings.NOTIFY_URL = "https://receiver.example.com/"
    settings.NOTIFY_SECRETS = ["whsec_" + "QUFB" * 8]
    settings.NOTIFY_EMAIL = True
    answers("POST", settings.NOTIFY_URL, {})
    monkeypatch.setattr(
        EmailBackend,
        "send_messages",
        lambda *_: held.setdefault("email", holds_connection()),
    )
    facts = {"status": "completed", "nobody_spoke": False}
    for kind in ("webhook", "email"):
        a_notification(kind=kind, transcript=transcript, facts=facts)
        delivery.deliver(kind)

    urls = {CALL, CALLS, RECORDINGS, TRANSCRIPT, settings.NOTIFY_URL, "email"}
    assert held == dict.fromkeys(urls, False)
