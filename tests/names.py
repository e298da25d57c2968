"""The names of all settings, read from .env.example."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = re.findall(
    r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE
)
