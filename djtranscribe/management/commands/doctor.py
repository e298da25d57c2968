import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from datetime import timezone as utc
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from caller.twilio import client as twilio_client
from caller.twilio.connection import api_url
from djtranscribe import zones
from djtranscribe.checks import check_database_locale
from djtranscribe.models import VendorPause
from djtranscribe.public_urls import parts
from djtranscribe.vendors.errors import VendorError
from transcription.assemblyai import client as assemblyai_client
from transcription.assemblyai import speech_models
from transcription.models import Notification, Transcript

CLOCK_SKEW = timedelta(seconds=30)
LATE = timedelta(seconds=60)
RECENT = timedelta(days=2)
FREE_BYTES = 1024**3
TIMEOUT_SECONDS = 5


class Ill(Exception):
    """What is wrong, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class Command(BaseCommand):
    help = (
        "Examine this installation: settings, database, vendors, storage, worker. A "
        "line for each; a bad one says what to do. Exit status 1 if one is bad. Calls "
        "nobody and costs nothing."
    )
    # It reports them itself.
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        results = [self.examine(*examination) for examination in EXAMINATIONS]
        if not all(results):
            raise SystemExit(1)

    def examine(self, name: str, look: Callable[[], str]) -> bool:
        try:
            found = look()
        except Ill as ill:
            self.stdout.write(self.style.ERROR(f"bad   {name}: {ill}"))
            self.stdout.write(f"      {ill.remedy}")
            return False
        self.stdout.write(self.style.SUCCESS(f"good  {name}: {found}"))
        return True


def look_at_settings() -> str:
    problems = [m for m in checks.run_checks() if m.level >= checks.WARNING]
    if problems:
        first = problems[0]
        more = f" And {len(problems) - 1} more." if problems[1:] else ""
        hint = f"{first.hint} " if first.hint else ""
        raise Ill(f"{first.msg}{more}", f"{hint}manage.py check lists all.")
    return f"all in order; times are in {zones.label()}"


def look_at_database() -> str:
    try:
        connection.ensure_connection()
        problems = check_database_locale([connection.alias])
        if problems:
            raise Ill(problems[0].msg, problems[0].hint or "")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        raise Ill(
            f"cannot be reached ({type(error).__name__}).",
            "Is it running? Compare DATABASE_URL.",
        ) from error
    if missing:
        raise Ill(f"{len(missing)} migrations are missing.", "manage.py migrate")
    return f"{connection.vendor}, all migrations applied"


def look_at_base_url() -> str:
    url = parts(settings.BASE_URL)
    if not url.hostname:
        raise Ill("BASE_URL names no host.", "Set it to this site's https address.")
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        raise Ill("BASE_URL's port is none.", "Leave it out: 443 is meant.") from error
    knock(url.hostname, port, "Is the web server, or ngrok, running? Twilio needs it.")
    return f"{url.hostname}:{port} answers, seen from here"


def look_at_twilio() -> str:
    with asking("If it cannot be reached: does this machine reach the internet?"):
        numbers = twilio_client.our_numbers()
        if settings.TWILIO_API_KEY:
            # A restricted key can read one kind of thing and not another.
            next(twilio_client.calls_since(timezone.now()), None)
            next(twilio_client.recordings_since(timezone.now()), None)
    if settings.TWILIO_PHONE_NUMBER not in numbers:
        raise Ill(
            "TWILIO_PHONE_NUMBER is no number of this account.",
            "Compare it with Phone Numbers in the Twilio console.",
        )
    used = "account SID and auth token"
    if settings.TWILIO_API_KEY:
        used = (
            "API key (TWILIO_API_KEY; whether it may place calls and the auth token, "
            "now only for webhook signatures, were not tried)"
        )
    host = parts(api_url()).hostname
    return f"credentials and number are right; {host} accepts our {used}"


def look_at_assemblyai() -> str:
    with asking("If it cannot be reached: does this machine reach the internet?"):
        next(assemblyai_client.list_jobs(), None)
    return f"the key is right; {speech_models.summary(settings.SPEECH_MODELS)}"


def look_at_clock() -> str:
    with asking("Twilio's own clock is needed to compare."):
        date = twilio_client.server_time()
    try:
        # All of HTTP's dates are in UTC, whatever they say of it.
        theirs = parsedate_to_datetime(date).replace(tzinfo=utc.utc)
    except ValueError as error:
        remedy = "Is there a proxy that answers in Twilio's place?"
        raise Ill("Twilio's answer has no date.", remedy) from error
    skew = abs(timezone.now() - theirs)
    if skew > CLOCK_SKEW:
        raise Ill(
            f"differs from Twilio's by {skew.total_seconds():.0f} s.",
            "Let the system keep its time (timedatectl set-ntp true).",
        )
    return f"within {CLOCK_SKEW.seconds} s of Twilio's"


def look_at_storage() -> str:
    try:
        name = default_storage.save("doctor", ContentFile(b"?"))
        default_storage.delete(name)
    except OSError as error:
        raise Ill(
            f"cannot be written ({error.strerror}).",
            "Compare MEDIA_ROOT, and who may write there.",
        ) from error
    free = shutil.disk_usage(Path(settings.MEDIA_ROOT)).free
    if free < FREE_BYTES:
        raise Ill(
            f"only {free // 1024**2} MB are free.",
            "Make room: recordings that cannot be stored wait.",
        )
    return f"writable, {free // 1024**3} GB free"


def look_at_worker() -> str:
    try:
        paused = VendorPause.objects.first()
        overdue = Transcript.objects.due(timezone.now() - LATE).current().count()
    except Error as error:
        raise Ill("unknown without the database.", "See above.") from error
    if paused:
        raise Ill(
            f"{paused}: {paused.reason}",
            "Fix that; waiting work then continues by itself.",
        )
    if overdue:
        raise Ill(f"{overdue} transcripts are overdue.", "Start manage.py worker.")
    return "nothing is overdue"


def look_at_notifications() -> str:
    found = []
    url = parts(settings.NOTIFY_URL)
    if settings.NOTIFY_URL:
        try:
            port = url.port or (443 if url.scheme == "https" else 80)
        except ValueError as error:
            raise Ill("NOTIFY_URL's port is none.", "Mend NOTIFY_URL.") from error
        knock(str(url.hostname or ""), port, "Mend NOTIFY_URL or what stands there.")
        found.append(f"webhooks to {url.hostname}:{port}, which answers")
    if settings.NOTIFY_EMAIL and settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        host, port = settings.EMAIL_HOST, settings.EMAIL_PORT
        knock(host, port, "Mend EMAIL_URL or the mail server.")
        found.append(f"e-mail through {host}:{port}, which answers")
    elif settings.NOTIFY_EMAIL:
        found.append("e-mail is printed or dropped, for want of EMAIL_URL")
    if not found:
        return "off"
    look_at_unsent()
    return "; ".join(found) + ". Nothing was sent"


def look_at_unsent() -> None:
    now = timezone.now()
    wanted = Notification.objects.filter(kind__in=Notification.wanted())
    try:
        overdue = wanted.due(now - LATE).count()
        lost = wanted.given_up().filter(created_at__gt=now - RECENT).count()
    except Error as error:
        raise Ill("unknown without the database.", "See above.") from error
    if overdue:
        raise Ill(f"{overdue} are overdue.", "Restart manage.py worker.")
    if lost:
        raise Ill(
            f"{lost} of the last two days were given up.",
            "Admin's Notifications say why. Mend that, then Send again.",
        )


def knock(host: str, port: int, remedy: str) -> None:
    try:
        socket.create_connection((host, port), TIMEOUT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", "") or error
        raise Ill(f"{host}:{port} does not answer ({why}).", remedy) from error


@contextmanager
def asking(remedy: str) -> Iterator[None]:
    try:
        yield
    except VendorError as error:
        raise Ill(error.message, remedy) from error


EXAMINATIONS: list[tuple[str, Callable[[], str]]] = [
    ("settings", look_at_settings),
    ("database", look_at_database),
    ("address", look_at_base_url),
    ("Twilio", look_at_twilio),
    ("AssemblyAI", look_at_assemblyai),
    ("clock", look_at_clock),
    ("storage", look_at_storage),
    ("worker", look_at_worker),
    ("notifications", look_at_notifications),
]
