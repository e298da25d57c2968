"""The formats of an exported transcript. content.py has what the files contain.

Only functions import the libraries for PDF and Word, because the worker does not need
these libraries.
"""

import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from transcription.exports import subtitles
from transcription.exports.content import (
    Options,
    Version,
    cues_of,
    paragraphs,
    remove_unprintable,
    summary_line,
    text_versions,
)
from transcription.exports.pdf import pdf_file
from transcription.exports.subtitles import Cue
from transcription.models import Transcript
from transcription.review.current import is_edited, speaker_names
from transcription.words import Word, speaker_of


class Format(NamedTuple):
    label: str
    content_type: str
    make: Callable[[Transcript, Options], bytes]
    # Whether we can make the file without `Transcript.words` if the user wants no times
    # and no speakers.
    words_are_optional: bool = False

    def needs_words(self, options: Options) -> bool:
        return not self.words_are_optional or options.times or options.speakers


def txt(transcript: Transcript, options: Options) -> bytes:
    lines = (
        f"[{prefix}] {said}" if prefix else said
        for prefix, said in paragraphs(transcript, options)
    )
    return ("\n\n".join(lines) + "\n").encode()


def as_json(transcript: Transcript, options: Options) -> bytes:
    """Return the text and its words as JSON. A missing value is null.

    `options.times` adds the start and end (ms) of each word. `options.speakers` adds
    its speaker and channel.

    - Version.ORIGINAL: the words as AssemblyAI sent them.
    - Version.CURRENT, without live corrections and named speakers: the same.
    - Version.CURRENT, with live corrections or named speakers: the current words.
      `channel` is null for a speaker on several channels.
    - Version.BOTH: the words of Version.CURRENT. If the text was corrected, also
      `original_text` and `original_words`.
    """
    keys = ["text", "confidence"]
    keys += ["start", "end"] * options.times + ["speaker", "channel"] * options.speakers
    first, *others = text_versions(transcript, options.version)
    has_changes = options.version != Version.ORIGINAL and is_edited(transcript)
    call = transcript.recording.call
    body: dict[str, Any] = {
        "uuid": str(transcript.uuid),
        "number": call.other_number if call else None,
        "contact": getattr(transcript, "contact_name", None),
        "created_at": transcript.created_at.isoformat(),
        "recorded_at": transcript.recording.recorded_at.isoformat(),
        "status": transcript.status,
        "error": transcript.error or None,
        "language": transcript.language or None,
        "confidence": transcript.confidence,
        "audio_seconds": transcript.audio_seconds,
        "text": first.text,
        "words": (
            _current(transcript, first.words(), keys)
            if has_changes
            else _listed(transcript, keys)
        ),
    }
    for original in others:
        body |= {
            "original_text": original.text,
            "original_words": _listed(transcript, keys),
        }
    return (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()


def _current(
    transcript: Transcript, words: list[Word], keys: list[str]
) -> list[dict[str, Any]]:
    names = speaker_names(transcript)
    channels: dict[str, Any] = {}
    for word in _listed(transcript, ["speaker", "channel"]):
        speaker = speaker_of(word, transcript.channel_names or {})
        speaker = names.get(speaker, speaker)
        if channels.setdefault(speaker, word["channel"]) != word["channel"]:
            channels[speaker] = None
    all_columns = (
        {**word._asdict(), "channel": channels.get(word.speaker)} for word in words
    )
    return [{key: columns[key] for key in keys} for columns in all_columns]


def _listed(transcript: Transcript, keys: list[str]) -> list[dict[str, Any]]:
    listed = transcript.words if isinstance(transcript.words, list) else []
    return [
        {key: word.get(key) for key in keys}
        for word in listed
        if isinstance(word, dict)
    ]


def subtitle_file(write: Callable[[list[Cue]], str]) -> Any:
    def make(transcript: Transcript, options: Options) -> bytes:
        cues = (
            cue._replace(lines=list(filter(None, map(remove_unprintable, cue.lines))))
            for cue in cues_of(transcript, options)
        )
        return write([cue for cue in cues if cue.lines]).encode()

    return make


def docx(transcript: Transcript, options: Options) -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.title = "Transcript"
    document.core_properties.author = "djtranscribe"
    document.add_heading("Transcript", level=1)
    document.add_paragraph(summary_line(transcript))
    for prefix, said in paragraphs(transcript, options):
        paragraph = document.add_paragraph()
        if prefix:
            paragraph.add_run(f"{prefix}  ").bold = True
        paragraph.add_run(said)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def pdf(transcript: Transcript, options: Options) -> bytes:
    """Return a PDF file. Raises fonts.MissingFont if a letter is in no font."""
    return pdf_file(summary_line(transcript), list(paragraphs(transcript, options)))


# All export formats, in the order of the buttons.
FORMATS = {
    "txt": Format(
        "Plain text", "text/plain; charset=utf-8", txt, words_are_optional=True
    ),
    "docx": Format(
        "Word",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        docx,
        words_are_optional=True,
    ),
    "pdf": Format("PDF", "application/pdf", pdf, words_are_optional=True),
    "srt": Format(
        "Subtitles (SRT)", "application/x-subrip", subtitle_file(subtitles.srt)
    ),
    "vtt": Format(
        "Subtitles (VTT)", "text/vtt; charset=utf-8", subtitle_file(subtitles.vtt)
    ),
    "json": Format("JSON", "application/json", as_json),
}
