"""What an operator dials is nobody's business but his: no log has it."""

import logging

import pytest

from djtranscribe.logs import NoNumbers
from tests.caller.twilio import DIAL

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

    kept = NoNumbers().filter(record)

    assert kept
    assert record.getMessage() == line


def test_a_refused_number_does_not_reach_the_console(browser, capfd):
    browser.get("/dial/0415555123499/")

    assert "0415555123499" not in "".join(capfd.readouterr())
