import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from django.utils import timezone

from caller.models import Call
from caller.recordings import audio, waveform
from djtranscribe.confirmation import confirm
from djtranscribe.logs import log_only_warnings
from djtranscribe.text_files import text_of
from transcription.assemblyai import speech_models
from transcription.assemblyai.keyterms import terms_of
from transcription.management.recordings import (
    advance_until_finished,
    find_vocabulary,
    new_recording,
)
from transcription.models import Transcript, Vocabulary
from transcription.models.work import explain
from transcription.review.scores import Counts, counts, sum_counts
from transcription.tasks import enqueue


class Pair(NamedTuple):
    """An audio file, and the text of what is said in it."""

    audio: Path
    text: str


class Command(BaseCommand):
    help = (
        "Measure how accurately AssemblyAI transcribes the recordings in a folder. The "
        "folder contains pairs of files, such as ward.wav and ward.txt; the text file "
        "says what is spoken. Prints terms right, false terms and word errors "
        "(docs/accuracy.md). Recordings that this command has already transcribed with "
        "the same keyword list and models are not transcribed again. So you can stop "
        "with Ctrl-C and continue later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--vocabulary",
            metavar="NAME",
            help="Name of the keyword list (default: none).",
        )
        parser.add_argument(
            "--model",
            metavar="MODEL",
            help="The speech model (default: those of SPEECH_MODELS).",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(
        self, *, folder: Path, vocabulary: str | None, model: str | None, **options: Any
    ) -> None:
        words = find_vocabulary(vocabulary) if vocabulary else None
        models = [model] if model else settings.SPEECH_MODELS
        pairs = pairs_in(folder)
        found = {pair: find_transcript(pair, words, models) for pair in pairs}
        new = [pair for pair in pairs if found[pair] is None]
        if new:
            self.ask(new, models, options["yes"])
        with log_only_warnings():
            try:
                for pair in new:
                    found[pair] = start_transcript(pair, words, models)
                rows = [row for pair in pairs if (row := found[pair])]
                self.wait_for(rows)
            except KeyboardInterrupt:
                self.stderr.write(
                    "\nStopped. The worker finishes the transcripts that were started. "
                    "Run the same command again to continue."
                )
                raise SystemExit(130) from None
        self.report(pairs, rows, words, options["json"])

    def ask(self, pairs: list[Pair], models: list[str], is_sure: bool) -> None:
        seconds = sum(length_of(pair.audio) for pair in pairs)
        amount = f"{speech_models.cost(models[0], seconds):.2f}"
        # Prices in SPEECH_RATES are in Twilio's currency. Other prices are in dollars.
        has_rate = models[0] in settings.SPEECH_RATES
        costs = (
            f"about {amount} {Call.objects.currency()}"
            if has_rate
            else f"about ${amount}"
        )
        self.stderr.write(
            f"{len(pairs)} recordings, {seconds / 60:.1f} minutes, for {models[0]}: "
            f"{costs}."
        )
        if not is_sure:
            confirm("Transcribe them?", "Nothing was transcribed.")

    def wait_for(self, rows: list[Transcript]) -> None:
        for seconds in advance_until_finished(rows):
            self.progress(len(rows), rows, seconds)
        if self.stderr.isatty():
            self.stderr.write("\n", ending="")

    def progress(self, total: int, rows: list[Transcript], seconds: float) -> None:
        done = sum(row.is_finished for row in rows)
        bar = "#" * (20 * done // total)
        line = f"[{bar:<20}] {done} of {total}, {seconds:.0f} s"
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="")
            self.stderr.flush()
        elif done == total:
            self.stderr.write(line)

    def report(
        self,
        pairs: list[Pair],
        rows: list[Transcript],
        words: Vocabulary | None,
        as_json: bool,
    ) -> None:
        terms = terms_of(words.terms) if words else []
        lines: list[tuple[str, Counts]] = []
        for pair, row in zip(pairs, rows, strict=True):
            if row.is_failed:
                self.stderr.write(f"{pair.audio.name}: {row.error}")
            else:
                found = counts(pair.text, row.uncorrected_text, terms, row.language)
                lines.append((pair.audio.name, found))
        if not lines:
            raise CommandError("No recording was transcribed.")
        total = sum_counts([each for _, each in lines])
        if as_json:
            body = {
                "vocabulary": words.name if words else None,
                "vocabulary_version": words.version if words else None,
                "models": sorted({row.model_used for row in rows if row.model_used}),
                "recordings": {name: each._asdict() for name, each in lines},
                "total": total._asdict(),
            }
            self.stdout.write(json.dumps(body, indent=2, ensure_ascii=False))
            return
        width = max(len(name) for name, _ in [*lines, ("recording", total)])
        heads = ("terms right", "false terms", "word errors")
        self.stdout.write("  ".join([f"{'recording':<{width}}", *heads]))
        for name, each in [*lines, ("all", total)]:
            cells = (
                f"{each.terms_right} of {each.terms}",
                str(each.false_terms),
                f"{each.words_wrong} of {each.words}",
            )
            padded = (f"{cell:>11}" for cell in cells)
            self.stdout.write("  ".join([f"{name:<{width}}", *padded]))
        if total.words < 1000:
            self.stdout.write(
                "Fewer than 1,000 words: a small difference may be chance."
            )


def pairs_in(folder: Path) -> list[Pair]:
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder.")
    files = sorted(folder.glob("*.wav"))
    missing = [file.name for file in files if not file.with_suffix(".txt").exists()]
    if missing:
        raise CommandError(f"The text is missing for {', '.join(missing[:5])}.")
    if not files:
        raise CommandError(f"{folder} has no pairs such as ward.wav and ward.txt.")
    return [Pair(file, text_in(file.with_suffix(".txt"))) for file in files]


def text_in(path: Path) -> str:
    try:
        return text_of(read(path))
    except ValidationError as error:
        raise CommandError(f"{path.name}: {error.messages[0]}") from error


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path.name} could not be read: {error.strerror}."
        raise CommandError(message) from error


def length_of(path: Path) -> float:
    """Return the length in seconds, or 0 if the file cannot be decoded."""
    with path.open("rb") as file:
        return float(waveform.measure(file).get("seconds") or 0)


def find_transcript(
    pair: Pair, words: Vocabulary | None, models: list[str]
) -> Transcript | None:
    """Return the newest transcript with this audio, keyword list and models, or None.

    Failed transcripts are left out.
    """
    # `vocabulary_version` is None until the keyword list is sent.
    digest = hashlib.sha256(read(pair.audio)).hexdigest()
    version = words.version if words else None
    return (
        Transcript.objects.filter(recording__sha256=digest, vocabulary=words)
        .filter(Q(vocabulary_version=version) | Q(vocabulary_version=None))
        .filter(speech_models=models)
        .exclude(status=Transcript.Status.ERROR)
        .order_by("pk")
        .last()
    )


def start_transcript(
    pair: Pair, words: Vocabulary | None, models: list[str]
) -> Transcript:
    """Store the audio and queue a transcript of it."""
    with pair.audio.open("rb") as file:
        chunks = iter(lambda: file.read(audio.CHUNK_BYTES), b"")
        try:
            with new_recording("file", chunks) as recording:
                row = Transcript.objects.create(
                    recording=recording,
                    vocabulary=words,
                    speech_models=models,
                    announced_at=timezone.now(),
                )
                enqueue(row.pk, row.priority)
        except audio.NotAudio as error:
            raise CommandError(
                f"{pair.audio.name} cannot be transcribed: {error}"
            ) from error
        except OSError as error:
            raise CommandError(explain(error)) from error
    return row
