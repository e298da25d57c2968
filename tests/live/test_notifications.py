"""The real worker and real receivers: what arrives, and what a bad receiver delays."""

import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from standardwebhooks import Webhook

from tests.chaos.waiting import free_port, until
from tests.djtranscribe.test_settings import ROOT
from tests.live.receiver import babbler, black_hole, mail_server, receiver
from tests.processes import environment, manage

pytestmark = pytest.mark.slow

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# Create transcripts that must fail: they have neither audio nor a SID to fetch it.
FAILING = """
from django.contrib.auth.models import User
from caller.models import Call, Recording
from transcription.models import Transcript
ada = User.objects.create_user('ada', 'ada@example.com')
for number in range({count}):
    call = Call.objects.create(
        other_number=f'+1415555{{number:04}}', our_number='+14155550100',
        status='completed', requested_by=ada, next_check_at=None)
    recording = Recording.objects.create(call=call, source='file', status='completed')
    Transcript.objects.create(recording=recording)
"""
HEALTHY = """
from caller.models import Recording
from transcription.models import Transcript
r = Recording.objects.create(source='file', status='completed')
r.store_audio([b'ID3' + bytes(50)])
Transcript.objects.create(recording=r)
"""


class Site:
    def __init__(self, folder):
        self.folder, self.port, self.mail_port = folder, free_port(), free_port()
        self.environment = environment(
            folder,
            DEBUG="true",
            RECOVER_SECONDS="9",
            ASSEMBLYAI_API_URL="http://127.0.0.1:9",
            NOTIFY_URL=f"http://127.0.0.1:{self.port}/hooks/a-secret-path",
            NOTIFY_SECRET=SECRET,
            NOTIFY_EMAIL="true",
            EMAIL_URL=f"smtp://127.0.0.1:{self.mail_port}",
        )
        self.workers = []

    def manage(self, *arguments):
        manage(self.environment, *arguments)

    def start_worker(self):
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        until("the worker is ready", lambda: "Worker ready" in self.log(), 90)
        return worker

    def log(self):
        return "".join(path.read_text() for path in self.folder.glob("worker-*.log"))

    def rows(self, query):
        database = sqlite3.connect(self.folder / "db.sqlite3", timeout=10)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def states(self, kind="webhook"):
        query = "SELECT state, attempts FROM transcription_notification WHERE kind = "
        return self.rows(f"{query}'{kind}' ORDER BY id")


@pytest.fixture
def site(tmp_path, migrated):
    site = Site(tmp_path)
    yield site
    for worker in site.workers:
        worker.kill()
        worker.wait()


def test_receiver_gets_the_message_once_after_an_outage(site):
    site.manage("shell", "--command", FAILING.format(count=1))
    site.start_worker()
    # The first attempt fills `answer`, so this finds the notifications that were tried.
    tried = "SELECT 1 FROM transcription_notification WHERE answer <> ''"
    until("both were tried in vain", lambda: len(site.rows(tried)) == 2, 60)

    with receiver(site.port) as came, mail_server(site.mail_port) as mails:
        until("both were sent", lambda: both_sent(site), 90)
        time.sleep(3)

    [(headers, body)] = came
    message = Webhook(SECRET).verify(body, headers)
    [(uuid, attempts, transcript)] = site.rows(
        "SELECT n.uuid, n.attempts, t.uuid FROM transcription_notification n "
        "JOIN transcription_transcript t ON t.id = n.transcript_id "
        "WHERE kind = 'webhook'"
    )
    assert headers["webhook-id"].replace("-", "") == uuid
    assert message["type"] == "transcript.failed"
    assert message["data"]["transcript"].replace("-", "") == transcript
    assert message["data"]["error"].startswith("The audio file is missing")
    assert attempts == 2
    (mail,) = mails
    assert "Subject: A call could not be transcribed" in mail
    assert "To: ada@example.com" in mail
    assert "1415555" not in mail + str(came)
    log = site.log()
    assert not any(x in log for x in ("secret", "whsec", "ada@", "Traceback"))


def both_sent(site):
    return [state for state, _ in site.states() + site.states("email")] == ["sent"] * 2


def test_notification_is_sent_after_the_worker_is_killed_while_sending(site):
    site.manage("shell", "--command", FAILING.format(count=1))
    with black_hole(site.port) as taken:
        first = site.start_worker()
        until("the worker sends", lambda: taken, 60)
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert site.states() == [("pending", 1)]

    # End the killed worker's lease, which would otherwise last three minutes.
    database = sqlite3.connect(site.folder / "db.sqlite3", timeout=10)
    with database:
        database.execute(
            "UPDATE transcription_notification SET leased_until = '2020-01-01'"
        )
    database.close()
    with receiver(site.port) as came, mail_server(site.mail_port):
        site.start_worker()
        until("it was sent", lambda: site.states() == [("sent", 2)], 60)

    assert len(came) == 1


def test_hanging_receiver_delays_no_transcript_and_no_email(site):
    count = 40
    site.manage("shell", "--command", FAILING.format(count=count))
    with black_hole(site.port), mail_server(site.mail_port) as mails:
        began = time.monotonic()
        site.start_worker()
        until("all were mailed", lambda: len(mails) == count, 90)
        site.manage("shell", "--command", HEALTHY)
        until(
            "a transcript goes on",
            lambda: site.rows(
                "SELECT 1 FROM transcription_transcript WHERE status = 'fetched'"
            ),
            60,
        )
        waiting = site.states()
        seconds = time.monotonic() - began

    assert [state for state, _ in waiting] == ["pending"] * count
    # One attempt after the other, and each ends after 15 s.
    assert sum(attempts for _, attempts in waiting) <= 1 + seconds / 15


def test_a_worker_stops_when_told_although_a_receiver_drips(site):
    site.manage("shell", "--command", FAILING.format(count=5))
    drip = babbler(site.port, b"HTTP/1.1 200 OK\r\nX: ", b"y", pause=1)
    with drip as taken, mail_server(site.mail_port):
        worker = site.start_worker()
        until("the worker sends", lambda: taken, 60)
        worker.send_signal(signal.SIGTERM)
        # systemd and Docker kill a worker that has not stopped after 60 s.
        status = worker.wait(timeout=60)

    assert status == 0
    assert len(taken) == 1


def test_two_workers_send_each_once(site):
    count = 60
    site.manage("shell", "--command", FAILING.format(count=count))
    with receiver(site.port) as came, mail_server(site.mail_port) as mails:
        for _ in range(2):
            site.start_worker()
        until("all were sent", lambda: len(came) >= count, 120)
        until("all were mailed", lambda: len(mails) >= count, 120)
        time.sleep(2)

    ids = [headers["webhook-id"] for headers, _ in came]
    assert len(ids) == len(set(ids)) == count
    assert len(mails) == count
