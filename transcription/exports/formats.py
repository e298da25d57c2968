"""Export of one transcript as a file, in any of FORMATS.

The libraries for PDF and Word are imported in the functions that use them, because the
worker does not need them.
"""

import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from django.db.models import TextChoices
from django.utils import timezone

from djtranscribe import zones
from transcription import presentation
from transcription.exports import subtitles
from transcription.exports.pdf import pdf_file
from transcription.exports.subtitles import Cue
from transcription.models import Transcript
from transcription.review.current import is_edited, original_of, words_of
from transcription.words import Word, spoken

NO_TEXT_SECONDS = 3


class Version(TextChoices):
    """Which text the export of a corrected transcript contains."""

    CURRENT = "current", "Corrected"
    ORIGINAL = "original", "As AssemblyAI wrote it"
    BOTH = "both", "Both"


class OneVersionOnly(Exception):
    """The user asked for subtitles of both versions. `str()` is a text for the user."""

    def __init__(self) -> None:
        super().__init__(
            "A subtitle file can contain only one version of the text. Choose "
            "“corrected” or “as AssemblyAI wrote it”."
        )


class Options(NamedTuple):
    times: bool = False
    speakers: bool = False
    version: str = Version.CURRENT


class Reading(NamedTuple):
    """One version of a transcript. heading: "" if only one version is exported."""

    heading: str
    text: str
    words: Callable[[], list[Word]]


def readings(transcript: Transcript, version: str) -> list[Reading]:
    """Return the versions to export.

    Version.BOTH gives only one version if both have the same text.
    """
    now = partial(words_of, transcript)
    before = partial(original_of, transcript)
    current = Reading("Corrected text", transcript.text, now)
    original = Reading("Original text", transcript.as_heard, before)
    if version == Version.BOTH and transcript.text != transcript.as_heard:
        return [current, original]
    only = original if version == Version.ORIGINAL else current
    return [only._replace(heading="")]


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
    """Remove characters that XML or PDF cannot contain, such as control characters."""
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
    if transcript.is_finished:
        return "All words of this transcript were removed."
    return f"This transcript is not finished: {transcript.progress}"


def paragraphs(transcript: Transcript, options: Options) -> Iterator[tuple[str, str]]:
    """Yield (prefix, paragraph). The prefix is "" or, for example, `1:05 Speaker A`."""
    versions = readings(transcript, options.version)
    if not any(version.text for version in versions):
        yield "", storable(placeholder(transcript))
        return
    for heading, text, words in versions:
        if heading:
            yield "", heading
        listed = words() if options.times or options.speakers else []
        if not listed:
            for line in filter(None, map(str.strip, text.splitlines())):
                yield "", storable(line)
            continue
        speaker = ""
        for turn in presentation.turns_of(listed):
            speaker = turn.speaker or speaker
            prefix = [turn.clock] * options.times + [speaker] * options.speakers
            yield storable(" ".join(filter(None, prefix))), storable(turn.text)


def facts(transcript: Transcript) -> str:
    """Return one line with the phone number, time, length and language."""
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
    """Return the text and its words as JSON.

    The times of words are in ms, or null if missing. Without corrections and names of
    speakers, the words are as AssemblyAI sent them.
    """
    keys = ["text", "confidence"]
    keys += ["start", "end"] * options.times + ["speaker", "channel"] * options.speakers
    first, *others = readings(transcript, options.version)
    has_changes = options.version != Version.ORIGINAL and is_edited(transcript)
    call = transcript.recording.call
    body: dict[str, Any] = {
        "uuid": str(transcript.uuid),
        "number": call.other_number if call else None,
        "contact": getattr(transcript, "contact_name", None),
        "created_at": transcript.created_at.isoformat(),
        "status": transcript.status,
        "error": transcript.error or None,
        "language": transcript.language or None,
        "confidence": transcript.confidence,
        "audio_seconds": transcript.audio_seconds,
        "text": first.text,
        "words": (
            [{key: word._asdict().get(key) for key in keys} for word in first.words()]
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
            cue._replace(lines=list(filter(None, map(storable, cue.lines))))
            for cue in cues_of(transcript, options)
        )
        return write([cue for cue in cues if cue.lines]).encode()

    return make


def cues_of(transcript: Transcript, options: Options) -> list[Cue]:
    versions = readings(transcript, options.version)
    if not any(version.text for version in versions):
        words = spoken(placeholder(transcript), [], NO_TEXT_SECONDS)
        return [Cue(0, NO_TEXT_SECONDS * 1000, subtitles.wrapped(words))]
    if options.version == Version.BOTH:
        raise OneVersionOnly
    [reading] = versions
    seconds = transcript.audio_seconds or 0
    words = reading.words() or spoken(reading.text, [], seconds)
    return subtitles.cues(words, seconds, options.speakers)


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
    """Return a PDF file. Raises fonts.MissingFont if a letter is in no font."""
    return pdf_file(facts(transcript), list(paragraphs(transcript, options)))


# All export formats, in the order of the buttons.
FORMATS = {
    "txt": Format("Plain text", "text/plain; charset=utf-8", txt),
    "docx": Format(
        "Word",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        docx,
    ),
    "pdf": Format("PDF", "application/pdf", pdf),
    "srt": Format(
        "Subtitles (SRT)", "application/x-subrip", subtitle_file(subtitles.srt)
    ),
    "vtt": Format(
        "Subtitles (VTT)", "text/vtt; charset=utf-8", subtitle_file(subtitles.vtt)
    ),
    "json": Format("JSON", "application/json", as_json),
}
