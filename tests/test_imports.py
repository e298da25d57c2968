"""Rooms import each other in one direction only. Modules never import in a circle.

A room is a package of one subject, see docs/architecture.md.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parents[1]
BASE = {
    "djtranscribe",
    "djtranscribe/accounts",
    "djtranscribe/adminsite",
    "djtranscribe/vendors",
    "djtranscribe/webhooks",
}
CALLER = {
    *("caller", "caller/contacts", "caller/conversations", "caller/costs"),
    *("caller/notes", "caller/recordings", "caller/twilio"),
}
# {room (a package): what it may import, besides itself}. docs/architecture.md has a
# diagram.
MAY_IMPORT = {
    "djtranscribe": BASE,
    "djtranscribe/adminsite": {"djtranscribe"},
    "djtranscribe/accounts": {"djtranscribe", "djtranscribe/adminsite"}
    | {"djtranscribe/vendors"},
    "djtranscribe/vendors": {"djtranscribe", "djtranscribe/adminsite"},
    "djtranscribe/webhooks": {"djtranscribe", "djtranscribe/adminsite"},
    "caller": BASE | CALLER,
    "caller/contacts": BASE | {"caller"},
    "caller/conversations": BASE | {"caller", "caller/twilio"},
    "caller/costs": BASE | {"caller"},
    "caller/notes": BASE | {"caller"},
    "caller/twilio": BASE | {"caller"},
    "caller/recordings": BASE | {"caller", "caller/twilio"},
    "transcription/assemblyai": BASE | CALLER | {"transcription"},
    "transcription/vocabulary": BASE
    | {"caller", "transcription", "transcription/assemblyai"}
    | {"transcription/review", "transcription/search"},
    "transcription/review": BASE | {"transcription", "transcription/assemblyai"},
    "transcription/exports": BASE | CALLER | {"transcription", "transcription/review"},
    "transcription/retention": BASE
    | CALLER
    | {"transcription", "transcription/assemblyai", "transcription/exports"}
    | {"transcription/review", "transcription/vocabulary"},
    "transcription/search": BASE | CALLER | {"transcription", "transcription/review"},
    "transcription/notifications": BASE | CALLER | {"transcription"},
    "sandbox": set(),
}
# Files and folders that may import the whole product.
TOP = (
    "djtranscribe/api/",
    "djtranscribe/management/",
    "djtranscribe/monitoring.py",
    "djtranscribe/settings.py",
    "djtranscribe/urls.py",
    "djtranscribe/views.py",
    "djtranscribe/worker/",
)
PARTS = ("djtranscribe", "caller", "transcription", "sandbox")


# These folders are not rooms. For example, caller/models is a part of `caller`.
INNER = {"formats", "management", "migrations", "models", "templatetags"}


def files() -> Iterator[str]:
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name:
                yield name


def room(name: str) -> str:
    """Return `caller/twilio` for `caller/twilio/client.py` or its dotted name."""
    path = name.removesuffix(".py").replace(".", "/")
    parts = path.split("/")
    inner = "/".join(parts[:2])
    return inner if inner in MAY_IMPORT else parts[0]


def imports(name: str, only_at_import: bool = False) -> set[str]:
    """Return the dotted names that a module imports from this project.

    only_at_import: leave out the imports inside functions and blocks.
    """
    tree = ast.parse((ROOT / name).read_text())
    found: set[str] = set()
    for node in tree.body if only_at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {each for each in found if each.partition(".")[0] in PARTS}


@pytest.mark.parametrize("which", [*MAY_IMPORT, "transcription"])
def test_package_imports_only_lower_level_packages(which):
    everything = {room(name) for name in files()}
    allowed = MAY_IMPORT.get(which, everything - {"sandbox"}) | {which}

    wrong = {
        (name, each)
        for name in files()
        if room(name) == which and not name.startswith(TOP)
        for each in imports(name)
        if room(each) not in allowed
        or (not name.startswith("djtranscribe") and is_top(each))
    }

    assert wrong == set()


def is_top(dotted: str) -> bool:
    path = dotted.replace(".", "/")
    return f"{path}/".startswith(TOP) or f"{path}.py" in TOP


def test_every_folder_is_a_room():
    folders = {
        f"{part}/{path.parent.name}"
        for part in ("djtranscribe", "caller", "transcription")
        for path in (ROOT / part).glob("*/__init__.py")
        if path.parent.name not in INNER
    }

    assert folders - MAY_IMPORT.keys() == {top for top in folders if is_top(top)}


def test_the_diagram_has_the_arrows_between_rooms():
    """Check arrows inside an app, such as caller/recordings to caller/twilio."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn = set(re.findall(r"^        (\w+) --> (\w+)$", text, re.MULTILINE))
    allowed = {
        (Path(room).name, Path(other).name)
        for room, others in MAY_IMPORT.items()
        for other in others
        if "/" in room and "/" in other and Path(room).parent == Path(other).parent
    }

    assert drawn - {("commands", "worker")} == allowed


def test_no_modules_import_each_other_in_a_circle():
    names = set(files())
    graph = {
        name: {
            target
            for each in imports(name, only_at_import=True)
            if (target := module_of(each, names))
        }
        for name in names
    }

    # Again and again, remove the modules that import no remaining module. Modules in a
    # circle are never removed.
    while leaves := {name for name in graph if not graph[name] - {name} & graph.keys()}:
        for name in leaves:
            del graph[name]
        for others in graph.values():
            others.difference_update(leaves)

    assert graph == {}


def module_of(dotted: str, names: set[str]) -> str | None:
    """Return the file of a dotted name, such as `caller.twilio.client.place`.

    For a package, this is its `__init__.py`.
    """
    parts = dotted.split(".")
    for end in (len(parts), len(parts) - 1):
        path = "/".join(parts[:end])
        for name in (f"{path}.py", f"{path}/__init__.py"):
            if name in names:
                return name
    return None
