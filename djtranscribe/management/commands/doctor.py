import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from datetime import timezone as utc
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import pluralize
from django.utils import timezone

from caller.twilio import client as twilio_client
from caller.twilio.callbacks import answer_url, reaches_us
from caller.twilio.connection import api_url
from djtranscribe import monitoring, zones
from djtranscribe.checks import check_database_encoding
from djtranscribe.models import VendorPause
from djtranscribe.public_urls import split_url
from djtranscribe.vendors.errors import VendorError
from djtranscribe.worker.engines import engine
from transcription.assemblyai import client as assemblyai_client
from transcription.assemblyai import speech_models
from transcription.models import Notification

MAX_CLOCK_SKEW = timedelta(seconds=30)
# Report work that is overdue by more than this.
MAX_DELAY_SECONDS = 60
# Report notifications that were given up, if they are at most this old.
RECENT = timedelta(days=2)
MIN_FREE_BYTES = 1024**3
TIMEOUT_SECONDS = 5

CHECK_INTERNET = (
    "If the vendor cannot be reached, check whether this machine can reach the "
    "internet."
)
FIX_DATABASE = "Fix the database first. See above."


class Problem(Exception):
    """A failed check: what is wrong, and how to fix it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Command(BaseCommand):
    help = (
        "Check this installation: settings, database, vendors, storage, worker. Prints "
        "one line for each check, and how to fix what is bad. The exit status is 1 if "
        "anything is bad. Places no calls and costs nothing."
    )
    # Django does not run its system checks for this command: check_settings runs them.
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        results = [self.run_check(*each) for each in CHECKS]
        if not all(results):
            raise SystemExit(1)

    def run_check(self, name: str, check: Callable[[], str]) -> bool:
        """Run a check and print its result. Return whether the check passed."""
        try:
            result = check()
        except Problem as problem:
            self.stdout.write(self.style.ERROR(f"bad   {name}: {problem}"))
            self.stdout.write(f"      {problem.remedy}")
            return False
        self.stdout.write(self.style.SUCCESS(f"good  {name}: {result}"))
        return True


def check_settings() -> str:
    problems = [m for m in checks.run_checks() if m.level >= checks.WARNING]
    if problems:
        first = problems[0]
        more = f" And {len(problems) - 1} more." if problems[1:] else ""
        hint = f"{first.hint} " if first.hint else ""
        raise Problem(
            f"{first.msg}{more}", f"{hint}manage.py check lists all problems."
        )
    return f"no problems; times are in {zones.label()}"


def check_database() -> str:
    try:
        connection.ensure_connection()
        problems = check_database_encoding([connection.alias])
        if problems:
            raise Problem(problems[0].msg, problems[0].hint or "")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        raise Problem(
            f"cannot be reached ({type(error).__name__}).",
            "Make sure that it is running, and check DATABASE_URL.",
        ) from error
    if missing:
        migrations = f"{len(missing)} migration{pluralize(missing, ' is,s are')}"
        raise Problem(f"{migrations} missing.", "Run manage.py migrate.")
    return f"{connection.vendor}, all migrations applied"


def check_base_url() -> str:
    url = split_url(settings.BASE_URL)
    if not url.hostname:
        raise Problem("BASE_URL has no host.", "Set it to this site's https address.")
    port = port_of(url, "BASE_URL", "Leave the port out to use 443.")
    remedy = "Start the web server or ngrok: Twilio must be able to reach this site."
    ensure_reachable(url.hostname, port, remedy)
    return f"{url.hostname}:{port} accepts connections from this machine"


def check_twilio() -> str:
    with vendor_errors(CHECK_INTERNET):
        number = twilio_client.our_number()
        if settings.TWILIO_API_KEY:
            # Also read these lists: a restricted API key may have no access to them.
            next(twilio_client.calls_since(timezone.now()), None)
            next(twilio_client.recordings_since(timezone.now()), None)
    if number is None:
        raise Problem(
            "TWILIO_PHONE_NUMBER does not belong to this account.",
            "Compare it with Phone Numbers in the Twilio console.",
        )
    credentials = "account SID and auth token"
    if settings.TWILIO_API_KEY:
        credentials = (
            "API key (TWILIO_API_KEY). Not tested: whether the key may place calls, "
            "and the auth token, which is now only used for webhook signatures"
        )
    host = split_url(api_url()).hostname
    if reaches_us(number.voice_url):
        incoming = "Calls to the number reach this site"
    else:
        # This is not an error: some sites only make calls.
        incoming = (
            "Calls to the number do not reach this site; manage.py connect-number sets "
            f"its Voice URL to {answer_url()}"
        )
    return f"the number is correct; {host} accepts our {credentials}. {incoming}"


def check_assemblyai() -> str:
    with vendor_errors(CHECK_INTERNET):
        next(assemblyai_client.list_jobs(), None)
    return f"the key is valid; {speech_models.summary(settings.SPEECH_MODELS)}"


def check_clock() -> str:
    with vendor_errors(
        "This check compares our clock with Twilio's. First fix what the Twilio check "
        "reports."
    ):
        date = twilio_client.server_time()
    try:
        # HTTP dates are always in UTC, even if the header names another time zone.
        theirs = parsedate_to_datetime(date).replace(tzinfo=utc.utc)
    except ValueError as error:
        remedy = "Check whether a proxy answers instead of Twilio."
        raise Problem("Twilio's response has no valid date.", remedy) from error
    skew = abs(timezone.now() - theirs)
    if skew > MAX_CLOCK_SKEW:
        raise Problem(
            f"differs from Twilio's by {skew.total_seconds():.0f} s.",
            "Turn on time synchronisation (timedatectl set-ntp true).",
        )
    return f"within {MAX_CLOCK_SKEW.seconds} s of Twilio's"


def check_storage() -> str:
    try:
        name = default_storage.save("doctor", ContentFile(b"?"))
        default_storage.delete(name)
    except OSError as error:
        raise Problem(
            f"cannot be written ({error.strerror}).",
            "Check S3_BUCKET, S3_ENDPOINT_URL and the AWS_ keys."
            if settings.S3_BUCKET
            else "Check MEDIA_ROOT and its write permissions.",
        ) from error
    if settings.S3_BUCKET:
        return f"the bucket {settings.S3_BUCKET} is writable"
    free = shutil.disk_usage(Path(settings.MEDIA_ROOT)).free
    if free < MIN_FREE_BYTES:
        raise Problem(
            f"only {free // 1024**2} MB are free.",
            "Free some disk space. When the disk is full, recordings cannot be "
            "stored, and their transcripts wait.",
        )
    return f"writable, {free // 1024**3} GB free"


def check_queue() -> str:
    try:
        waiting = engine().waiting()
    except Error as error:
        raise Problem("unknown without the database.", FIX_DATABASE) from error
    if waiting is None:
        raise Problem(
            "the broker does not answer, or it refuses our login.",
            "Start the broker, or fix TASK_BROKER_URL.",
        )
    return f"{waiting} message{pluralize(waiting, ' waits,s wait')}"


def check_worker() -> str:
    try:
        paused = VendorPause.objects.exclude_busy().first()
        overdue = monitoring.overdue_seconds(timezone.now())
    except Error as error:
        raise Problem("unknown without the database.", FIX_DATABASE) from error
    if paused:
        raise Problem(
            f"{paused}: {paused.reason}",
            "Fix this. The waiting work then continues automatically.",
        )
    if overdue > MAX_DELAY_SECONDS:
        raise Problem(
            f"the oldest work is overdue by {overdue} s.",
            "Start manage.py worker. If it runs, fix the other problems, or read its "
            "log.",
        )
    return "nothing is overdue"


def check_mail() -> str:
    if not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return "e-mails are printed or dropped, because EMAIL_URL is empty or not valid"
    host, port = settings.EMAIL_HOST, settings.EMAIL_PORT
    ensure_reachable(host, port, "Fix EMAIL_URL or the mail server.")
    return f"{host}:{port} answers. Nothing was sent"


def check_notifications() -> str:
    found = []
    url = split_url(settings.NOTIFY_URL)
    if settings.NOTIFY_URL:
        port = port_of(url, "NOTIFY_URL", "Fix NOTIFY_URL.")
        remedy = "Fix NOTIFY_URL or the server at this address."
        ensure_reachable(str(url.hostname or ""), port, remedy)
        found.append(f"webhooks to {url.hostname}:{port}, which answers")
    if settings.NOTIFY_EMAIL:
        found.append("e-mails")
    if not found:
        return "off"
    check_given_up()
    return "; ".join(found) + ". Nothing was sent"


def check_given_up() -> None:
    wanted = Notification.objects.filter(kind__in=Notification.enabled_kinds())
    recent = wanted.given_up().filter(created_at__gt=timezone.now() - RECENT)
    try:
        failed = recent.count()
    except Error as error:
        raise Problem("unknown without the database.", FIX_DATABASE) from error
    if failed:
        raise Problem(
            f"{failed} from the last two days could not be delivered.",
            "See the reason under Notifications in admin. Fix it, then use Send again.",
        )


def port_of(url: SplitResult, name: str, remedy: str) -> int:
    """Return the port, or the default port of the scheme. Raises Problem.

    name: the setting that contains the URL.
    """
    try:
        return url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        raise Problem(f"The port in {name} is not valid.", remedy) from error


def ensure_reachable(host: str, port: int, remedy: str) -> None:
    """Open and close a TCP connection. Raises Problem if it cannot be opened."""
    try:
        socket.create_connection((host, port), TIMEOUT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", "") or error
        raise Problem(f"{host}:{port} does not answer ({reason}).", remedy) from error


@contextmanager
def vendor_errors(remedy: str) -> Iterator[None]:
    """Turn a VendorError of the `with` block into a Problem."""
    try:
        yield
    except VendorError as error:
        raise Problem(error.message, remedy) from error


CHECKS: list[tuple[str, Callable[[], str]]] = [
    ("settings", check_settings),
    ("database", check_database),
    ("address", check_base_url),
    ("Twilio", check_twilio),
    ("AssemblyAI", check_assemblyai),
    ("clock", check_clock),
    ("storage", check_storage),
    ("queue", check_queue),
    ("worker", check_worker),
    ("mail server", check_mail),
    ("notifications", check_notifications),
]
