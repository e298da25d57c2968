"""Imports go one way, so that a part can be read without those above it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("djtranscribe", "caller", "transcription", "sandbox")
# The project is both the ground that the apps stand on and the roof over them.
ROOF = (
    *("settings.py", "urls.py", "views.py", "asgi.py", "wsgi.py"),
    *("api/", "management/commands/"),
)


def imported_by(path: Path) -> set[str]:
    """Which parts a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found & set(PARTS)


def modules(part: str) -> list[tuple[str, Path]]:
    folder = ROOT / part
    return [(p.relative_to(folder).as_posix(), p) for p in folder.rglob("*.py")]


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("caller", {"transcription", "sandbox"}),
        ("transcription", {"sandbox"}),
        ("sandbox", {"djtranscribe", "caller", "transcription"}),
    ],
)
def test_no_part_imports_what_stands_above_or_beside_it(part, forbidden):
    wrong = {
        name: found
        for name, path in modules(part)
        if (found := imported_by(path) & forbidden)
    }

    assert wrong == {}


def test_what_the_apps_stand_on_imports_neither_of_them():
    wrong = {
        name: found
        for name, path in modules("djtranscribe")
        if not name.startswith(ROOF)
        and (found := imported_by(path) & {"caller", "transcription", "sandbox"})
    }

    assert wrong == {}
