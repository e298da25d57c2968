"""Export of one transcript as a file, in any of FORMATS.

The DOCX, PDF and subtitle libraries are imported in the functions that use them,
because the worker does not need them.
"""

import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.utils import timezone

from djtranscribe import zones
from transcription import presentation
from transcription.exports import subtitles
from transcription.models import Transcript
from transcription.presentation import Word

NO_TEXT_SECONDS = 3


class Options(NamedTuple):
    times: bool = False
    speakers: bool = False


class Format(NamedTuple):
    label: str
    content_type: str
    make: Callable[[Transcript, Options], bytes]


def filename(transcript: Transcript, extension: str) -> str:
    """Return a file name without the phone number.

    File names end up in logs, e-mails and cloud storage.
    """
    day = timezone.localdate(transcript.created_at)
    return f"transcript-{day:%Y-%m-%d}-{transcript.uuid}.{extension}"


def storable(text: str) -> str:
    """Remove control characters, which neither XML nor PDF allows."""
    kept = (
        letter
        for letter in text
        if letter in "\n\t" or (unicodedata.category(letter) not in ("Cc", "Cs", "Cn"))
    )
    return "".join(kept)


def placeholder(transcript: Transcript) -> str:
    """Return the sentence that explains why a transcript has no text."""
    if transcript.is_failed:
        return transcript.failure
    if transcript.nobody_spoke:
        return "Nobody spoke in this recording."
    return f"This transcript is not finished: {transcript.progress}"


def paragraphs(transcript: Transcript, options: Options) -> Iterator[tuple[str, str]]:
    """Yield (prefix, paragraph). The prefix is like `1:05 Speaker A`, or empty."""
    words = presentation.words_of(transcript.words)
    if not transcript.text:
        yield "", storable(placeholder(transcript))
    elif not words or not (options.times or options.speakers):
        for line in filter(None, map(str.strip, transcript.text.splitlines())):
            yield "", storable(line)
    else:
        speaker = ""
        for turn in presentation.turns_of(words):
            speaker = turn.speaker or speaker
            prefix = [turn.clock] * options.times + [speaker] * options.speakers
            said = " ".join(word.text for word in turn.words)
            yield storable(" ".join(filter(None, prefix))), storable(said)


def facts(transcript: Transcript) -> str:
    """Return one line with the number, time, length and language."""
    call = transcript.recording.call
    made = transcript.created_at
    when = f"{timezone.localtime(made):%d %B %Y, %H:%M} {zones.label(made)}"
    parts = [call.number if call else "", when.lstrip("0")]
    if transcript.audio_seconds:
        parts.append(presentation.clock(transcript.audio_seconds * 1000))
    return storable(" · ".join(filter(None, [*parts, transcript.language])))


def txt(transcript: Transcript, options: Options) -> bytes:
    lines = (
        f"[{prefix}] {said}" if prefix else said
        for prefix, said in paragraphs(transcript, options)
    )
    return ("\n\n".join(lines) + "\n").encode()


def as_json(transcript: Transcript, options: Options) -> bytes:
    """Return the words as AssemblyAI sent them: times in ms, null if missing."""
    keys = ["text", "confidence"]
    keys += ["start", "end"] * options.times + ["speaker", "channel"] * options.speakers
    listed = transcript.words if isinstance(transcript.words, list) else []
    call = transcript.recording.call
    body: dict[str, Any] = {
        "uuid": str(transcript.uuid),
        "number": call.to if call else None,
        "created_at": transcript.created_at.isoformat(),
        "status": transcript.status,
        "error": transcript.error or None,
        "language": transcript.language or None,
        "confidence": transcript.confidence,
        "audio_seconds": transcript.audio_seconds,
        "text": transcript.text,
        "words": [
            {key: word.get(key) for key in keys}
            for word in listed
            if isinstance(word, dict)
        ],
    }
    return (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()


def subtitle_file(kind: str) -> Callable[[Transcript, Options], bytes]:
    def make(transcript: Transcript, options: Options) -> bytes:
        from pysubs2 import SSAEvent, SSAFile

        file = SSAFile()
        for cue in cues(transcript, options):
            # pysubs2 reads braces as markup, and players read tags as markup.
            text = storable("\n".join(cue.lines)).translate({123: "(", 125: ")"})
            if kind == "vtt":
                text = text.replace("&", "&amp;").replace("<", "&lt;")
                text = text.replace(">", "&gt;")
            event = SSAEvent(start=cue.start, end=cue.end)
            event.plaintext = text
            file.append(event)
        return file.to_string(kind).encode()

    return make


def cues(transcript: Transcript, options: Options) -> list[subtitles.Cue]:
    if not transcript.text:
        words = spread_evenly(placeholder(transcript), NO_TEXT_SECONDS)
        lines = subtitles.wrapped(words)
        return [subtitles.Cue(0, NO_TEXT_SECONDS * 1000, lines, "")]
    words = presentation.words_of(transcript.words)
    words = words or spread_evenly(transcript.text, transcript.audio_seconds or 0)
    if options.speakers:
        words = subtitles.with_speakers(words)
    return subtitles.cues(words)


def spread_evenly(text: str, seconds: float) -> list[Word]:
    """Spread words without known times evenly over the recording."""
    said = text.split()
    step = max(seconds * 1000 / max(1, len(said)), 1)
    return [
        Word(word, int(n * step), int((n + 1) * step), None, "")
        for n, word in enumerate(said)
    ]


def docx(transcript: Transcript, options: Options) -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.title = "Transcript"
    document.core_properties.author = "djtranscribe"
    document.add_heading("Transcript", level=1)
    document.add_paragraph(facts(transcript))
    for prefix, said in paragraphs(transcript, options):
        paragraph = document.add_paragraph()
        if prefix:
            paragraph.add_run(f"{prefix}  ").bold = True
        paragraph.add_run(said)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def pdf(transcript: Transcript, options: Options) -> bytes:
    from fpdf import FPDF
    from fpdf.enums import XPos, YPos

    document = FPDF()
    # The fonts built into every PDF reader only have Western European letters.
    document.core_fonts_encoding = "cp1252"
    document.set_title("Transcript")
    document.set_creator("djtranscribe")
    document.set_margin(20)
    document.set_auto_page_break(auto=True, margin=20)
    document.add_page()
    lines = [("B", 18, "Transcript"), ("", 10, facts(transcript))]
    for prefix, said in paragraphs(transcript, options):
        lines += [("B", 9, prefix)] * bool(prefix) + [("", 11, said)]
    if any(western(line) != line for _, _, line in lines):
        note = (
            "This PDF shows a question mark for each letter that its font does not "
            "have. The other formats contain all letters."
        )
        lines.insert(2, ("I", 9, note))
    for style, size, line in lines:
        document.set_font("Helvetica", style, size)
        place: Any = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT, "align": "L"}
        document.multi_cell(0, size * 0.55, western(line), **place)
        if size != 9:
            document.ln(3)
    return bytes(document.output())


def western(text: str) -> str:
    """Replace each letter that Windows-1252 does not have with a question mark."""
    composed = unicodedata.normalize("NFC", text).replace("\t", " ")
    return composed.encode("cp1252", "replace").decode("cp1252")


FORMATS = {
    "txt": Format("Text", "text/plain; charset=utf-8", txt),
    "srt": Format("Subtitles (SRT)", "application/x-subrip", subtitle_file("srt")),
    "vtt": Format("Subtitles (VTT)", "text/vtt; charset=utf-8", subtitle_file("vtt")),
    "json": Format("JSON", "application/json", as_json),
    "docx": Format(
        "Word (DOCX)",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        docx,
    ),
    "pdf": Format("PDF", "application/pdf", pdf),
}
