"""Texts for the tests to export, and functions that read the exported files.

Each format is read by a third-party library, or by a parser written for these tests.
"""

import io
import json
import re

import docx
import pypdf
import webvtt

TEXT = "Please call the cardiology ward. José said <no> & {yes}. Привет!"
WORDS = [
    {
        "text": word,
        "start": number * 400,
        "end": number * 400 + 350,
        "confidence": 0.9,
        "speaker": "A" if number < 5 else "B",
        "channel": None,
    }
    for number, word in enumerate(TEXT.split())
]
# AssemblyAI's fields may be missing or null.
BROKEN = [
    {"text": "Please", "start": None, "end": None},
    {"text": None},
    "odd",
    {"text": "call", "start": 900, "end": 100},
    {"text": "back.", "start": 50},
]


def url(transcript, extension):
    return f"/transcripts/{transcript.uuid}/export/{extension}/"


def srt(content):
    """Parse an SRT file strictly. Return [(start in ms, end in ms, [line])]."""
    blocks = content.decode().replace("\r\n", "\n").strip("\n").split("\n\n")
    cues = []
    for number, block in enumerate(blocks, 1):
        head, times, *lines = block.split("\n")
        assert head == str(number)
        found = re.fullmatch(
            r"(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})", times
        )
        h, m, s, ms, h2, m2, s2, ms2 = map(int, found.groups())
        start = ((h * 60 + m) * 60 + s) * 1000 + ms
        cues.append((start, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2, lines))
    return cues


def vtt(content):
    assert content.startswith(b"WEBVTT\n")
    return webvtt.from_string(content.decode())


def docx_lines(content):
    return [each.text for each in docx.Document(io.BytesIO(content)).paragraphs]


def pdf_text(content):
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def visible(extension, content):
    """Return the text that a person sees in the file, without line breaks."""
    if extension == "pdf":
        return pdf_text(content)
    if extension == "docx":
        return " ".join(docx_lines(content))
    if extension == "srt":
        return " ".join(" ".join(lines) for _, _, lines in srt(content))
    if extension == "vtt":
        return " ".join(cue.text.replace("\n", " ") for cue in vtt(content))
    if extension == "json":
        return json.dumps(json.loads(content), ensure_ascii=False)
    return content.decode()
