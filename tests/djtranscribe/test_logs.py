"""No log contains a dialled number or the words of a call."""

import errno
import json
import logging
import sys
from io import StringIO

import pytest
from django.db import DataError, connection, transaction
from django.db.models import Value

from djtranscribe.logs import JsonFormatter, LineFormatter, UrlRedactionFilter
from tests.caller.rows import DIAL
from tests.transcription.rows import a_transcript
from transcription import tasks
from transcription.models import Transcript

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("message", "arguments", "line"),
    [
        ('"GET %s HTTP/1.1" 200', [DIAL], '"GET /dial/… HTTP/1.1" 200'),
        ("Bad Request: %s", ["/dial/0123/"], "Bad Request: /dial/…"),
        ("at /dial/1415?x=5551234 and /dial/2/", [], "at /dial/… and /dial/…"),
        ('"GET %s" 200', ["/api/calls?to=%2B14155551234"], '"GET /api/calls?…" 200'),
        ("%s and %s", ["/search/?q=ward", "/x?y=1"], "/search/?… and /x?y=1"),
        (
            '"GET %s" 200',
            ["/admin/caller/call/?q=1415&o=1"],
            '"GET /admin/caller/call/?…" 200',
        ),
        ("Not Found: %s", ["/api/calls/+14155551234"], "Not Found: /api/calls/…"),
        ("Not Found: %s", ["/(415) 555-1234/"], "Not Found: /…/"),
        ('"GET %s"', ["/call/%2b14155551234?x=1"], '"GET /call/…?x=1"'),
        (
            "Service Unavailable: %s",
            ["/password-reset/MQ/abc-def0123/"],
            "Service Unavailable: /password-reset/…",
        ),
        ('"GET %s" 200', ["/password-reset/"], '"GET /password-reset/" 200'),
        ("%s", ["/recordings/123456/audio/"], "/recordings/123456/audio/"),
        (
            "%s",
            ["/calls/11111111-2222-4333-8444-555555555abc/"],
            "/calls/11111111-2222-4333-8444-555555555abc/",
        ),
        ("call=%s dial=placed", ["uuid"], "call=uuid dial=placed"),
        ("100 % sure", [], "100 % sure"),
    ],
)
def test_the_path_of_a_dial_is_cut_from_every_line(message, arguments, line):
    record = logging.LogRecord("x", 20, "", 0, message, tuple(arguments), None)

    kept = UrlRedactionFilter().filter(record)

    assert kept
    assert record.getMessage() == line


def test_a_refused_number_does_not_reach_the_console(browser, capfd):
    browser.get("/dial/0415555123499/")

    assert "0415555123499" not in "".join(capfd.readouterr())


SECRET = "Please call +14155551234 about my heart"


@pytest.fixture
def console(monkeypatch):
    """Capture what all loggers write to the console."""
    handlers = logging.getLogger("django").handlers
    ours = next(each for each in handlers if isinstance(each.formatter, LineFormatter))
    assert ours in logging.getLogger().handlers
    written = StringIO()
    monkeypatch.setattr(ours, "stream", written)
    return written


def refused_row(*args):
    """Fail like PostgreSQL, which quotes the row that it refuses."""
    raise DataError(f"value too long\nDETAIL:  Failing row contains ({SECRET}).")


def caught(function):
    try:
        function()
    except Exception as error:
        return error


def written_out(error):
    record = logging.LogRecord("x", 40, "", 0, "step=%s", ("fetch",), None)
    record.exc_info = (type(error), error, error.__traceback__)
    record.exc_text = f"as another handler has it: {error}"
    UrlRedactionFilter().filter(record)
    return LineFormatter().format(record)


def test_exception_is_logged_with_type_and_place_but_no_message():
    def chained():
        try:
            refused_row()
        except DataError as error:
            raise ValueError(SECRET) from error

    text = written_out(caught(chained))

    assert SECRET not in text
    assert text.startswith("step=fetch\n")
    assert "django.db.utils.DataError\n" in text
    assert "in refused_row\n" in text
    assert text.endswith("\nValueError")


def test_an_exception_amid_another_is_written_after_it():
    def amid():
        try:
            refused_row()
        except DataError:
            int(SECRET)

    text = written_out(caught(amid))

    assert SECRET not in text
    assert text.index("DataError") < text.index("ValueError")


def test_the_number_that_an_exception_has_is_kept():
    full = OSError(errno.ENOSPC, "No space left on device", SECRET)

    text = written_out(full)

    assert text == f"step=fetch\nOSError ({errno.ENOSPC})"


def test_message_of_a_real_database_error_is_not_logged():
    words = Transcript.objects.annotate(said=Value(SECRET))

    def asked():
        with transaction.atomic():
            a_transcript()
            # Neither database has this function, so the query fails.
            list(words.extra(select={"x": f"nowhere('{SECRET}')"}))

    text = written_out(caught(asked))

    assert SECRET not in text
    assert "django.db.utils." in text
    # The log keeps the database's error code. For SQLite, Python 3.10 gives none.
    sqlite = "SQLITE_ERROR" if sys.version_info >= (3, 11) else "OperationalError"
    kept = {"sqlite": sqlite, "postgresql": "42883"}
    assert kept[connection.vendor] in text


@pytest.mark.django_db(transaction=True)
def test_a_task_that_fails_is_written_by_the_engine_without_its_words(
    console, monkeypatch, work
):
    monkeypatch.setattr(tasks, "take_step", refused_row)
    tasks.enqueue_once(a_transcript("queued").pk)

    work()

    line = console.getvalue()
    assert "level=ERROR logger=django_tasks Task id=" in line
    assert "django.db.utils.DataError" in line
    assert SECRET not in line


@pytest.mark.django_db(transaction=True)
def test_a_message_that_cannot_be_sent_is_written_without_the_row(console):
    transaction.on_commit(refused_row, robust=True)

    line = console.getvalue()
    assert (
        "Error calling refused_row in on_commit() (django.db.utils.DataError)" in line
    )
    assert SECRET not in line


def test_a_library_that_warns_is_filtered_too(console):
    logging.getLogger("somebody.else").warning("GET %s", DIAL)

    assert "level=WARNING logger=somebody.else GET /dial/…" in console.getvalue()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/admin/login/?" + "a=14155551234&" * 1_200, {}),
        ("/search/?q=" + "heart" * 5_000, {}),
        ("/", {"Host": "other.example"}),
    ],
    ids=["fields", "redirect", "host"],
)
def test_hostile_request_of_a_visitor_is_a_warning_in_one_line(
    client, console, path, headers
):
    answer = client.get(path, headers=headers)

    assert answer.status_code == 400
    [line] = console.getvalue().splitlines()
    assert "level=WARNING logger=django.security." in line
    assert "14155551234" not in line
    assert "heart" not in line


def test_a_line_of_json_has_the_same_and_no_message_of_an_exception():
    words = "secret words"
    try:
        raise ValueError(words)
    except ValueError:
        fault = sys.exc_info()
    record = logging.LogRecord("caller", 40, "", 0, "call=%s", ("uuid",), fault)

    line = JsonFormatter().format(record)

    told = json.loads(line)
    assert "\n" not in line
    assert {name: told[name] for name in ("level", "logger", "message")} == {
        "level": "ERROR",
        "logger": "caller",
        "message": "call=uuid",
    }
    assert "ValueError" in told["exception"]
    assert "secret" not in line
