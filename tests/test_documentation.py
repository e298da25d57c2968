"""The documentation agrees with the code: settings, statuses, paths and links."""

import ast
import re
from pathlib import Path

import pytest

from caller.models import Call, Recording
from djtranscribe.models import WebhookDelivery
from tests.names import SETTINGS
from transcription.models import Notification, Transcript

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parents[1]


def names_read() -> list[str]:
    # The functions in environment.py read settings. Their first argument is the name.
    reading = ast.parse((ROOT / "djtranscribe" / "environment.py").read_text())
    readers = {node.name for node in reading.body if isinstance(node, ast.FunctionDef)}
    settings = ast.parse((ROOT / "djtranscribe" / "settings.py").read_text())
    return [
        call.args[0].value
        for call in ast.walk(settings)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in readers
        and isinstance(call.args[0], ast.Constant)
    ]


def names_in_docs() -> list[str]:
    """Return the first column of the table in docs/settings.md."""
    text = (ROOT / "docs" / "settings.md").read_text()
    return re.findall(r"^\| `([A-Z0-9_]+)` ", text, re.MULTILINE)


def test_nothing_reads_the_environment_past_the_settings():
    readers = [
        path.relative_to(ROOT).as_posix()
        for app in ("djtranscribe", "caller", "transcription")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"os\.environ\.get|os\.environ\[|getenv", path.read_text())
    ]

    assert set(readers) <= {
        "djtranscribe/environment.py",
        "djtranscribe/management/commands/sandbox.py",
    }


def test_env_example_lists_exactly_the_settings_that_are_read():
    assert sorted(SETTINGS) == sorted(set(names_read()))
    assert len(SETTINGS) == len(set(SETTINGS))


def test_the_docs_list_exactly_the_settings_that_are_read():
    assert sorted(names_in_docs()) == sorted(set(names_read()))


def test_env_example_overrides_no_default():
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
def test_the_docs_explain_each_status(words):
    text = (ROOT / "docs" / "operations.md").read_text()
    tables = text[text.index("## When something breaks") :]
    explained = set(re.findall(r"\*([^*\n]+)\*", tables))

    assert set(words.labels) <= explained


def test_the_readme_stays_short():
    assert (ROOT / "README.md").stat().st_size <= 8 * 1024


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub creates for the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}


PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "benchmarks/README.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text()
    wrong = []
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                wrong.append(link)
    # Also check paths of code, such as `caller/views.py`.
    for path in re.findall(r"`((?:\.?\w+/)+[\w.]*)`", text):
        is_ours = path.split("/")[0] in {"djtranscribe", "caller", "transcription"}
        if is_ours and not (ROOT / path).exists():
            wrong.append(path)

    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_diagram_has_a_semicolon(page):
    """Mermaid ends a statement at a semicolon, and then draws nothing at all."""
    diagrams = re.findall(r"```mermaid\n(.*?)```", page.read_text(), re.DOTALL)

    assert not any(";" in diagram for diagram in diagrams)
