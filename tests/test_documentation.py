"""What settings read = what .env.example explains = what the README lists."""

import ast
import re
from pathlib import Path

import pytest

from caller.models import Call, Recording
from djtranscribe.models import WebhookDelivery
from transcription.models import Notification, Transcript

ROOT = Path(__file__).resolve().parents[1]


def names_read() -> list[str]:
    tree = ast.parse((ROOT / "djtranscribe" / "settings.py").read_text())
    # Its own functions are what reads; each takes the name first.
    readers = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return [
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in readers
        and isinstance(call.args[0], ast.Constant)
    ]


def names_in_example() -> list[str]:
    example = (ROOT / ".env.example").read_text()
    return re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE)


def names_in_readme() -> list[str]:
    """The first column of the table that begins with the secret key."""
    readme = (ROOT / "README.md").read_text()
    table = re.search(r"^\| `SECRET_KEY` .*\n(\|.*\n)*", readme, re.MULTILINE)
    assert table, "the README has no table of settings"
    return re.findall(r"^\| `([A-Z_]+)` ", table.group(), re.MULTILINE)


def test_nothing_reads_the_environment_past_the_settings():
    readers = [
        path.relative_to(ROOT).as_posix()
        for app in ("djtranscribe", "caller", "transcription")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"os\.environ\.get|os\.environ\[|getenv", path.read_text())
    ]

    assert set(readers) <= {
        "djtranscribe/settings.py",
        "djtranscribe/management/commands/sandbox.py",
    }


def test_the_example_explains_exactly_what_is_read():
    example = names_in_example()

    assert sorted(example) == sorted(set(names_read()))
    assert len(example) == len(set(example))


def test_the_readme_lists_exactly_what_is_read():
    readme = names_in_readme()

    assert sorted(readme) == sorted(set(names_read()))


def test_an_example_that_is_copied_as_it_is_overrides_no_default():
    example = (ROOT / ".env.example").read_text()
    active = re.findall(r"^([A-Z][A-Z_]+)=", example, re.MULTILINE)
    needed = {"SECRET_KEY", "BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"}

    assert set(active) == needed | {"TWILIO_PHONE_NUMBER", "ASSEMBLYAI_KEY"}


@pytest.mark.parametrize(
    "words",
    [
        Call.Status,
        Recording.Status,
        Transcript.Status,
        Transcript.ErrorClass,
        WebhookDelivery.Verdict,
        Notification.State,
    ],
)
def test_the_readme_says_what_each_status_means(words):
    readme = (ROOT / "README.md").read_text()
    begin, end = readme.index("## When something breaks"), readme.index("## Security")
    explained = set(re.findall(r"\*([^*\n]+)\*", readme[begin:end]))

    assert set(words.labels) <= explained
