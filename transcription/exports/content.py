"""What the exports of one transcript contain. formats.py writes the files."""

import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from django.db.models import TextChoices
from django.utils import timezone

from djtranscribe import zones
from transcription import presentation
from transcription.exports import subtitles
from transcription.exports.subtitles import Cue
from transcription.models import Transcript
from transcription.review.current import original_of, words_of
from transcription.words import Word, words_of_text

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


class TextVersion(NamedTuple):
    """One version of a transcript. heading: "" if only one version is exported."""

    heading: str
    text: str
    words: Callable[[], list[Word]]


def text_versions(transcript: Transcript, version: str) -> list[TextVersion]:
    """Return the versions to export.

    If both texts are equal, Version.BOTH gives only one version. An unknown `version`
    means Version.CURRENT.
    """
    now = partial(words_of, transcript)
    before = partial(original_of, transcript)
    current = TextVersion("Corrected text", transcript.text, now)
    original = TextVersion("Original text", transcript.uncorrected_text, before)
    if version == Version.BOTH and transcript.text != transcript.uncorrected_text:
        return [current, original]
    only = original if version == Version.ORIGINAL else current
    return [only._replace(heading="")]


def filename(transcript: Transcript, extension: str) -> str:
    """Return a file name without the phone number.

    File names end up in logs, e-mails and cloud storage.
    """
    day = timezone.localdate(transcript.recording.recorded_at)
    return f"transcript-{day:%Y-%m-%d}-{transcript.uuid}.{extension}"


def remove_unprintable(text: str) -> str:
    """Remove control characters and other characters that XML or fonts do not know.

    Line feeds and tabs stay.
    """
    kept = (
        letter
        for letter in text
        if letter in "\n\t" or (unicodedata.category(letter) not in ("Cc", "Cs", "Cn"))
    )
    return "".join(kept)


def placeholder(transcript: Transcript) -> str:
    """Return the sentence that explains why an export has no text."""
    # `missing_text_reason` is about the current text. If AssemblyAI found no words, and
    # a person has added some, the reason is empty. But the original version has no
    # text, so say that nobody spoke.
    return transcript.missing_text_reason or transcript.NOBODY_SPOKE


def paragraphs(transcript: Transcript, options: Options) -> Iterator[tuple[str, str]]:
    """Yield (prefix, paragraph). The prefix is "" or, for example, `1:05 Speaker A`."""
    versions = text_versions(transcript, options.version)
    if not any(version.text for version in versions):
        yield "", remove_unprintable(placeholder(transcript))
        return
    for heading, text, words in versions:
        if heading:
            yield "", heading
        listed = words() if options.times or options.speakers else []
        if not listed:
            for line in filter(None, map(str.strip, text.splitlines())):
                yield "", remove_unprintable(line)
            continue
        speaker = ""
        for turn in presentation.turns_of(listed):
            speaker = turn.speaker or speaker
            prefix = [turn.clock] * options.times + [speaker] * options.speakers
            yield (
                remove_unprintable(" ".join(filter(None, prefix))),
                remove_unprintable(turn.text),
            )


def summary_line(transcript: Transcript) -> str:
    """Return one line with the phone number, the call's time, length and language."""
    call = transcript.recording.call
    at = transcript.recording.recorded_at
    when = f"{timezone.localtime(at):%d %B %Y, %H:%M} {zones.label(at)}"
    parts = [call.number if call else "", when.lstrip("0")]
    if transcript.audio_seconds:
        parts.append(presentation.clock(transcript.audio_seconds * 1000))
    return remove_unprintable(" · ".join(filter(None, [*parts, transcript.language])))


def cues_of(transcript: Transcript, options: Options) -> list[Cue]:
    versions = text_versions(transcript, options.version)
    if not any(version.text for version in versions):
        words = words_of_text(placeholder(transcript), [], NO_TEXT_SECONDS)
        return [Cue(0, NO_TEXT_SECONDS * 1000, subtitles.wrap(words))]
    version, *others = versions
    if others:
        raise OneVersionOnly
    seconds = transcript.audio_seconds or 0
    words = version.words() or words_of_text(version.text, [], seconds)
    return subtitles.cues(words, seconds, options.speakers)
