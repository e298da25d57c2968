"""`manage.py doctor`: each check reports that all is good, or a fault and a remedy."""

import shutil
import socket
from collections import namedtuple
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from io import StringIO
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import requests
from django.core.checks import Warning as Caution
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone as django_timezone

from djtranscribe.mail import email_settings
from djtranscribe.models import VendorPause
from tests.caller.rows import API, a_call
from tests.data import load
from tests.transcription.notification import a_notification
from tests.transcription.rows import TRANSCRIPT, a_transcript
from transcription.assemblyai.speech_models import CHECKED_ON, SOURCE
from transcription.models import Notification

pytestmark = pytest.mark.django_db

NAMES = [
    "settings",
    "database",
    "address",
    "Twilio",
    "AssemblyAI",
    "clock",
    "storage",
    "queue",
    "worker",
    "mail server",
    "notifications",
]
NUMBERS = f"{API}/IncomingPhoneNumbers.json"
TWILIO = "https://api.twilio.com/"


def our_numbers(*numbers):
    rows = [{"sid": "PN" + "0" * 32, "phone_number": number} for number in numbers]
    return {"incoming_phone_numbers": rows, "page": 0, "page_size": 50, "uri": ""}


class Site:
    """A site without any fault. A test breaks one thing and runs doctor."""

    def __init__(self, vendors, settings):
        self.vendors, self.settings = vendors, settings
        self.numbers = our_numbers("+14155550100")
        self.clock = datetime.now(timezone.utc)
        self.answers = {}

    def answer(self, url, **answer):
        self.answers[url] = answer

    def examine(self):
        """Run doctor. Return its findings and its exit status.

        Findings: {name of the check: (verdict, message, remedy)}. Verdict: good or bad.
        """
        date = format_datetime(self.clock.replace(microsecond=0), usegmt=True)
        usual = {
            NUMBERS: {"json": self.numbers},
            TRANSCRIPT: {"json": load("assemblyai/list")},
            TWILIO: {"json": {}, "headers": {"Date": date}},
        }
        for url, answer in {**usual, **self.answers}.items():
            self.vendors.get(url, **answer)
        out, status = StringIO(), 0
        try:
            call_command("doctor", stdout=out, no_color=True)
        except SystemExit as end:
            status = end.code
        return findings(out.getvalue()), status


def findings(text):
    found, name = {}, ""
    for line in text.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("good", "bad"):
            name, _, what = rest.strip().partition(": ")
            found[name] = (verdict, what, "")
        else:
            found[name] = (*found[name][:2], line.strip())
    return found


@pytest.fixture
def site(vendors, settings, media):
    media.mkdir()
    site = Site(vendors, settings)
    with (
        patch("socket.create_connection"),
        patch("shutil.disk_usage", return_value=disk(free=10)),
    ):
        yield site


def disk(free):
    return namedtuple("Usage", "total used free")(0, 0, int(free * 1024**3))


def alone(found, name):
    """Check that only this finding is bad. Return what it says, and the remedy.

    All other checks must have run and be good.
    """
    assert list(found) == NAMES
    bad = [each for each in NAMES if found[each][0] == "bad"]
    assert bad == [name], found
    _, what, remedy = found[name]
    assert remedy
    assert "None" not in remedy
    return what, remedy


def test_healthy_site_passes_all_checks(site):
    found, status = site.examine()

    assert list(found) == NAMES
    assert {verdict for verdict, *_ in found.values()} == {"good"}, found
    assert status == 0


def test_it_calls_nobody_and_leaves_nothing_behind(site, vendors, media):
    site.examine()

    assert {call.request.method for call in vendors.calls} == {"GET"}
    assert not [path for path in media.rglob("*") if path.is_file()]


def test_no_secret_is_shown(site):
    site.answer(NUMBERS, status=401, json={"code": 20003, "status": 401})
    site.answer(TRANSCRIPT, status=401, json={"error": "x"})
    out = StringIO()
    with patch("sys.stdout", out):
        found, _ = site.examine()

    said = out.getvalue() + str(found)
    for secret in ("tests-only-token", "tests-only-key", "tests-only"):
        assert secret not in said


def test_a_wrong_setting_is_named_with_its_hint(site):
    site.settings.ASSEMBLYAI_KEY = ""

    found, status = site.examine()

    assert found["settings"][:2] == ("bad", "ASSEMBLYAI_KEY is empty.")
    assert "your API key" in found["settings"][2]
    assert status == 1


def test_several_wrong_settings_are_counted(site):
    site.settings.SPEECH_MODELS = []
    site.settings.AUDIO_DELIVERY = "pigeon"

    found, _ = site.examine()

    what, remedy = alone(found, "settings")
    assert what.endswith("And 1 more.")
    assert "manage.py check" in remedy


def test_a_check_without_a_hint_gets_no_odd_word(site):
    caution = Caution("Something is odd.", id="somebody.W001")
    with patch("django.core.checks.run_checks", return_value=[caution]):
        found, _ = site.examine()

    what, remedy = alone(found, "settings")
    assert what == "Something is odd."
    assert remedy == "manage.py check lists all problems."


def test_a_database_that_is_away_is_said_and_the_rest_examined(site):
    away = OperationalError("could not connect to server: postgres://user:pw@host")
    with (
        patch.object(connection, "ensure_connection", side_effect=away),
        patch.object(connection, "cursor", side_effect=away),
    ):
        found, status = site.examine()

    for name in ("database", "queue", "worker"):
        assert found[name][0] == "bad"
    assert "cannot be reached" in found["database"][1]
    assert "pw@host" not in str(found)
    assert found["storage"][0] == "good"
    assert status == 1


def test_migrations_that_are_missing_are_counted(site):
    from django.db.migrations.recorder import MigrationRecorder

    last = MigrationRecorder(connection).migration_qs.filter(app="djtranscribe")
    last.latest("pk").delete()

    found, _ = site.examine()

    what, remedy = alone(found, "database")
    assert what == "1 migration is missing."
    assert remedy == "Run manage.py migrate."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "not known"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_an_address_that_does_not_answer_is_said(site, error, words):
    with patch("socket.create_connection", side_effect=error):
        found, _ = site.examine()

    what, remedy = alone(found, "address")
    assert what.startswith("djtranscribe.example.com:443 does not answer")
    assert words in what
    assert "ngrok" in remedy


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://a.example", ("a.example", 443)),
        ("https://a.example:8443", ("a.example", 8443)),
    ],
)
def test_the_address_is_asked_on_its_own_port(site, url, asked):
    site.settings.BASE_URL = url
    with patch("socket.create_connection") as connect:
        site.examine()

    assert connect.call_args.args[0] == asked


@pytest.mark.parametrize("url", ["", "nonsense", "https://"])
def test_invalid_base_url_is_reported(site, url):
    site.settings.BASE_URL = url

    found, status = site.examine()

    assert found["address"][0] == "bad"
    assert "Set it to this site's https address." in found["address"][2]
    assert status == 1


@pytest.mark.parametrize("url", ["https://a.example:99999", "https://a.example:port"])
def test_invalid_port_is_reported_and_other_checks_run(site, url):
    site.settings.BASE_URL = url

    found, status = site.examine()

    assert list(found) == NAMES
    assert found["address"][0] == "bad"
    assert status == 1


def test_credentials_that_twilio_refuses_are_said(site):
    site.answer(NUMBERS, status=401, json={"code": 20003, "status": 401})

    found, _ = site.examine()

    what, _ = alone(found, "Twilio")
    assert "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN" in what


def empty(name):
    return {"json": {name: [], "page": 0, "page_size": 50, "uri": ""}}


@pytest.fixture
def keyed(site):
    """Return the site with an API key that may read everything."""
    site.settings.TWILIO_API_KEY = "SK" + "0" * 32
    site.settings.TWILIO_API_SECRET = "s3cr3t-of-the-key"
    site.answer(f"{API}/Calls.json", **empty("calls"))
    site.answer(f"{API}/Recordings.json", **empty("recordings"))
    return site


def test_it_says_that_the_auth_token_is_used(site):
    found, _ = site.examine()

    assert "api.twilio.com accepts our account SID and auth token" in found["Twilio"][1]


def test_it_says_that_the_api_key_is_used_and_in_which_region(keyed):
    keyed.settings.TWILIO_REGION = "ie1"
    host = "api.dublin.ie1.twilio.com"
    for url in (NUMBERS, f"{API}/Calls.json", f"{API}/Recordings.json"):
        known = keyed.answers.get(url, {"json": keyed.numbers})
        keyed.answer(url.replace("api.twilio.com", host), **known)
    date = format_datetime(keyed.clock.replace(microsecond=0), usegmt=True)
    keyed.answer(f"https://{host}/", json={}, headers={"Date": date})

    found, status = keyed.examine()

    verdict, what, _ = found["Twilio"]
    assert (verdict, status) == ("good", 0)
    assert f"{host} accepts our API key (TWILIO_API_KEY" in what
    assert "s3cr3t" not in str(found)


@pytest.mark.parametrize("refused", ["Calls", "Recordings", "IncomingPhoneNumbers"])
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (20003, 401, "TWILIO_API_KEY"),
        (70051, 403, "permissions"),
        (20008, 403, "test credentials"),
    ],
)
def test_a_key_that_may_not_read_something_is_said(keyed, refused, code, status, words):
    body = {"code": code, "status": status}
    keyed.answer(f"{API}/{refused}.json", status=status, json=body)

    found, exit_status = keyed.examine()

    what, _ = alone(found, "Twilio")
    assert words in what
    assert exit_status == 1


OURS = "https://djtranscribe.example.com/answer/"


@pytest.mark.parametrize(
    ("voice_url", "what"),
    [
        (f"{OURS}#rc=3&rp=all", "Calls to the number reach this site"),
        (OURS, "Calls to the number reach this site"),
        (f"{OURS}?a=b", "Calls to the number do not reach this site"),
        ("https://demo.twilio.com/welcome/voice/", "do not reach this site"),
        ("", "do not reach this site"),
    ],
)
def test_doctor_says_whether_calls_to_the_number_reach_the_site(site, voice_url, what):
    site.numbers["incoming_phone_numbers"][0]["voice_url"] = voice_url

    found, status = site.examine()

    assert what in found["Twilio"][1]
    assert status == 0


@pytest.mark.parametrize("numbers", [[], ["+14155550199"]])
def test_a_number_that_is_not_the_accounts_is_said(site, numbers):
    site.numbers = our_numbers(*numbers)

    found, _ = site.examine()

    what, remedy = alone(found, "Twilio")
    assert what == "TWILIO_PHONE_NUMBER does not belong to this account."
    assert "Twilio console" in remedy


def test_a_twilio_that_is_away_is_said_for_account_and_clock(site):
    away = requests.ConnectionError("no route")
    site.answer(NUMBERS, body=away)
    site.answer(TWILIO, body=away)

    found, status = site.examine()

    bad = [name for name in NAMES if found[name][0] == "bad"]
    assert bad == ["Twilio", "clock"]
    assert "can reach the internet" in found["Twilio"][2]
    assert status == 1


def test_a_key_that_assemblyai_refuses_is_said(site):
    site.answer(TRANSCRIPT, status=401, json={"error": "Invalid API key"})

    found, _ = site.examine()

    what, _ = alone(found, "AssemblyAI")
    assert "ASSEMBLYAI_KEY" in what


@pytest.mark.parametrize(
    "models",
    [["assemblyai-stt-3-7", "universal-2"], ["universal-2"], ["a-model-of-tomorrow"]],
)
def test_the_models_are_named_and_when_our_list_was_checked(site, models):
    site.settings.SPEECH_MODELS = models

    found, status = site.examine()

    verdict, what, _ = found["AssemblyAI"]
    assert (verdict, status) == ("good", 0)
    assert f"models {', '.join(models)}." in what
    assert CHECKED_ON.isoformat() in what
    assert SOURCE in what
    assert ("Not in our list" in what) == (models == ["a-model-of-tomorrow"])


@pytest.mark.parametrize(
    ("model", "state"),
    [
        ("universal-3-5-pro", "is deprecated: use assemblyai-stt-3-7"),
        ("universal-3-pro", "is refused by AssemblyAI: use assemblyai-stt-3-7"),
        ("slam-1", "is deprecated"),
        ("nano", "is refused by AssemblyAI: use universal-2"),
    ],
)
def test_an_old_model_is_warned_of_with_its_replacement(site, model, state):
    site.settings.SPEECH_MODELS = [model, "universal-2"]

    found, _ = site.examine()

    what, remedy = alone(found, "settings")
    assert what.startswith(f"SPEECH_MODELS: {model} {state}")
    assert CHECKED_ON.isoformat() in remedy


@pytest.mark.parametrize("seconds", [-3600, -40, 40, 3600])
def test_a_clock_that_is_wrong_is_said(site, seconds):
    site.clock += timedelta(seconds=seconds)

    found, _ = site.examine()

    what, remedy = alone(found, "clock")
    assert "differs from Twilio's by" in what
    assert "timedatectl" in remedy


@pytest.mark.parametrize("seconds", [-20, 20])
def test_a_clock_that_is_nearly_right_is_good(site, seconds):
    site.clock += timedelta(seconds=seconds)

    found, status = site.examine()

    assert found["clock"][0] == "good"
    assert status == 0


def test_a_date_whose_zone_is_unknown_is_taken_for_utc(site):
    date = format_datetime(site.clock.replace(tzinfo=None))
    assert date.endswith("-0000")
    site.answer(TWILIO, json={}, headers={"Date": date})

    found, status = site.examine()

    assert found["clock"][0] == "good"
    assert status == 0


@pytest.mark.parametrize("date", [None, "", "tomorrow"])
def test_an_answer_without_a_proper_date_is_said(site, date):
    headers = {} if date is None else {"Date": date}
    site.answer(TWILIO, json={}, headers=headers)

    found, _ = site.examine()

    what, remedy = alone(found, "clock")
    assert what
    assert "proxy" in remedy


def test_a_storage_that_cannot_be_written_is_said(site):
    full = OSError(30, "Read-only file system")
    with patch("django.core.files.storage.default_storage.save", side_effect=full):
        found, _ = site.examine()

    what, remedy = alone(found, "storage")
    assert what == "cannot be written (Read-only file system)."
    assert "MEDIA_ROOT" in remedy


def test_a_disk_that_is_nearly_full_is_said(site):
    with patch.object(shutil, "disk_usage", return_value=disk(free=0.5)):
        found, _ = site.examine()

    what, remedy = alone(found, "storage")
    assert what == "only 512 MB are free."
    assert "Free some disk space" in remedy


@pytest.mark.parametrize(
    "work",
    [
        lambda since: a_transcript(next_attempt_at=since),
        lambda since: a_call(next_check_at=since),
        lambda since: a_notification(next_attempt_at=since),
    ],
)
def test_a_worker_that_does_not_run_is_said(site, receivers, work):
    work(django_timezone.now() - timedelta(seconds=65))

    found, _ = site.examine()

    what, remedy = alone(found, "worker")
    assert what.startswith("the oldest work is overdue by")
    assert "manage.py worker" in remedy


def test_a_broker_that_does_not_answer_is_said(site):
    nowhere = SimpleNamespace(waiting=lambda: None)
    with patch("djtranscribe.management.commands.doctor.engine", lambda: nowhere):
        found, _ = site.examine()

    what, remedy = alone(found, "queue")
    assert "the broker does not answer" in what
    assert "TASK_BROKER_URL" in remedy


def test_work_that_is_due_now_is_no_sign_of_a_missing_worker(site):
    a_transcript(next_attempt_at=django_timezone.now() - timedelta(seconds=30))

    found, _ = site.examine()

    assert found["worker"][0] == "good"


def test_a_vendor_that_is_paused_is_said_with_its_reason(site):
    VendorPause.objects.create(
        vendor="assemblyai", reason="No balance.", probe_at=django_timezone.now()
    )

    found, _ = site.examine()

    what, _ = alone(found, "worker")
    assert what == "assemblyai is paused: No balance."


# Notifications


@pytest.fixture
def receivers(settings):
    settings.NOTIFY_URL = "https://receiver.example.com/a-secret-path"
    settings.NOTIFY_SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    settings.NOTIFY_EMAIL = True
    for name, value in email_settings("smtps://ada:pw@mail.example", False).items():
        setattr(settings, name, value)


def test_notifications_that_are_off_are_said_to_be(site):
    found, _ = site.examine()

    assert found["notifications"] == ("good", "off", "")


def test_receivers_that_answer_are_named_and_sent_nothing(site, receivers):
    found, status = site.examine()

    verdict, what, _ = found["notifications"]
    assert (verdict, status) == ("good", 0)
    assert "receiver.example.com:443, which answers" in what
    assert "secret" not in what
    assert found["mail server"][:2] == (
        "good",
        "mail.example:465 answers. Nothing was sent",
    )
    assert not [call for call in site.vendors.calls if "receiver" in call.request.url]


@pytest.mark.parametrize(
    ("name", "host"),
    [("notifications", "receiver.example.com"), ("mail server", "mail.example")],
)
def test_a_receiver_that_does_not_answer_is_said(site, receivers, name, host):
    # Without NOTIFY_EMAIL, e-mails to reset a password still need the mail server.
    site.settings.NOTIFY_EMAIL = False

    def connect(address, timeout):
        if address[0] == host:
            raise OSError(111, "Connection refused")
        return socket.socket()

    with patch("socket.create_connection", connect):
        found, status = site.examine()

    what, _ = alone(found, name)
    assert status == 1
    assert what.startswith(f"{host}:")


def test_notifications_that_were_given_up_lately_are_counted(site, receivers):
    a_notification(state="given-up")
    a_notification(state="given-up")
    old = django_timezone.now() - timedelta(days=3)
    Notification.objects.filter(pk=a_notification(state="given-up").pk).update(
        created_at=old
    )

    found, _ = site.examine()

    assert found["notifications"][0] == "bad"
    assert found["notifications"][1].startswith("2 from the last two days")
