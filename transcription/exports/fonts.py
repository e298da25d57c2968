"""Fonts for PDF files: first those in Python packages, then those of the system."""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# requirements.txt installs these packages. Each letter is taken from the first font
# that has it.
PACKAGES = (
    "fontpkg_noto_sans",  # Latin, Greek, Cyrillic
    "fontpkg_noto_sans_arabic",
    "fontpkg_noto_sans_devanagari",
    "fontpkg_noto_sans_tamil",
    "fontpkg_noto_sans_telugu",
    "fontpkg_noto_sans_thai",
    "fontpkg_noto_sans_khmer",
    "fontpkg_hind_siliguri",  # Bengali
    "fontpkg_open_sans",  # Hebrew
)
# Skip font files with one of these words in the name: only the normal style is used.
NOT_UPRIGHT = ("Italic", "Bold", "Light", "Medium", "Thin", "Black", "Mono", "Emoji")
# Folders in which operating systems keep fonts.
SYSTEM = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
# Debian packages to suggest in MissingFont. A key is the first word of the letter's
# Unicode name, such as HANGUL for “HANGUL SYLLABLE GA”.
# Do not use fonts-noto-cjk: its fonts have no TrueType outlines (see `_read`).
DEBIAN = dict.fromkeys(
    ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "BOPOMOFO", "FULLWIDTH"),
    "fonts-droid-fallback",
) | {"HANGUL": "fonts-nanum"}
DEBIAN_OTHER, DEBIAN_SYMBOLS = "fonts-noto-core", "fonts-symbola"


class MissingFont(Exception):
    """No font has this letter. `str()` is a message for the user."""

    def __init__(self, letter: str) -> None:
        name = unicodedata.name(letter, f"U+{ord(letter):04X}")
        package = DEBIAN.get(name.split()[0], DEBIAN_OTHER)
        if unicodedata.category(letter).startswith("S"):
            package = DEBIAN_SYMBOLS
        super().__init__(
            f"This PDF cannot be made: no font on the server has the letter “{letter}” "
            f"({name.capitalize()}). Install a font for it, on Debian for example with "
            f"`apt install {package}`. The other formats contain all letters."
        )


class Font(NamedTuple):
    name: str
    path: str
    letters: frozenset[int]


def fonts_for(text: str) -> list[Font]:
    """Return fonts that together have all letters of the text, or raise MissingFont."""
    missing = {ord(letter) for letter in text if not _is_optional(letter)}
    found: list[Font] = []
    for font in _all_fonts():
        if missing & font.letters:
            found.append(font)
            missing -= font.letters
        if not missing:
            return found
    raise MissingFont(chr(min(missing)))


def _is_optional(letter: str) -> bool:
    """Return whether `fonts_for` ignores this: a space, an accent, a control code."""
    return letter.isspace() or unicodedata.category(letter) in ("Cf", "Cc", "Mn")


def _all_fonts() -> Iterator[Font]:
    yield from _bundled()
    yield from _installed()


@cache
def _bundled() -> list[Font]:
    folders = []
    for package in PACKAGES:
        spec = find_spec(package)
        if spec and spec.origin:
            folders.append(Path(spec.origin).parent / "files")
    return list(_read(path for folder in folders for path in _upright(folder)))


@cache
def _installed() -> list[Font]:
    """Return the system's fonts, sans serif first. The first call takes about 1 s."""
    folders = [Path(folder).expanduser() for folder in SYSTEM]
    paths = [path for folder in folders for path in _upright(folder)]
    return list(_read(sorted(paths, key=lambda path: "Sans" not in path.name)))


def _upright(folder: Path) -> Iterator[Path]:
    """Yield the font files of a folder, except bold, italic and similar ones."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() in (".ttf", ".otf", ".ttc"):
            name = path.stem.partition("[")[0]
            if not any(style in name for style in NOT_UPRIGHT):
                yield path


def _read(paths: Iterable[Path]) -> Iterator[Font]:
    from fontTools.ttLib import TTFont, TTLibError

    for path in paths:
        try:
            with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
                if "glyf" in font:
                    letters = frozenset(font.getBestCmap() or ())
                    yield Font(path.stem.partition("[")[0], str(path), letters)
        except (TTLibError, OSError):
            continue
