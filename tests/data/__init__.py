"""Answers and webhooks of vendors. Each file names the source of its format."""

import io
import json
import wave
from pathlib import Path
from typing import Any


def load(name: str, **changes: Any) -> dict[str, Any]:
    """Return the body in `<name>.json`, with these keys changed."""
    body = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    assert body.pop("_source")
    return {**body, **changes}


def openapi(vendor: str) -> dict[str, Any]:
    """Return the OpenAPI document of "twilio" or "assemblyai".

    openapi/README.md names the sources and licences.
    """
    file = Path(__file__).parent / "openapi" / f"{vendor}.json"
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def nullable(schema: Any) -> Any:
    """Replace ``nullable`` of OpenAPI 3.0 by its equivalent in JSON Schema."""
    if isinstance(schema, list):
        return [nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: nullable(value) for name, value in schema.items()}
    if found.pop("nullable", False):
        return {"anyOf": [found, {"type": "null"}]} if found else {}
    return found


def wav(seconds: float = 1, rate: int = 8000, channels: int = 1) -> bytes:
    """Return a WAV file of silence. The defaults are Twilio's format: 8 kHz, 16 bit."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(int(seconds * rate) * 2 * channels))
    return file.getvalue()
